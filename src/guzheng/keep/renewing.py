"""Renewal: what ages is stamped anew, a tree for each day, one token for all of them.

Takes the ages of exhibits and an authority; writes `renewals/<nnnn>.ers`, whose form is
docs/spec/renewal.md.

The order of the writes is the promise: the token, then its entry in the ledger, then the
records, each complete in itself. Killed between any two, the next run finds what still ages
and renews that; it costs one more token. Run twice, the second finds nothing to do. A record
is kept only after the same checks that a judge's verifier makes.

May fail: `Refused` (keep.authority-too-old) when the authority would not outlive what it
stamps, `Unavailable` when it does not answer.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from guzheng.keep import ers
from guzheng.keep.ageing import Age, Judged, end_of, records_in, tokens_in
from guzheng.proof import der, package, renewal, timestamp
from guzheng.proof.digest import Digest, sha256
from guzheng.proof.errors import ProofError
from guzheng.proof.manifest import Manifest
from guzheng.proof.renewal import EvidenceRecord, Group
from guzheng.refusals import Refused, Unavailable
from guzheng.store.blobs import AlreadyKept, Blobs, read

LEAF_LABEL = b"guzheng/renewal/v1\n"
_BLOCK = 4 << 20
_NONCE_OCTETS = 8
Respond = Callable[[bytes], bytes]  # TimeStampReq → TimeStampResp, as an authority does


@dataclass(frozen=True, slots=True)
class Folder:
    """The papers of one exhibit: the blob folder, and the names in it that are evidence."""

    exhibit: str
    place: str
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Renewing:
    """What a run needs of the platform; `log` enters a leaf, durably."""

    blobs: Blobs
    judged: Judged
    respond: Respond
    log: Callable[[bytes], object]
    entropy: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class _Due:
    """One exhibit that is to be renewed: what stands for it in the tree."""

    folder: Folder
    day: str
    number: int
    chains: ers.Chains  # so far
    group: tuple[bytes, ...]  # the first list, when a chain begins; else empty
    leaf: bytes


def renew(
    parts: Renewing, due: Iterable[tuple[Age, Folder]], *, horizon: datetime
) -> tuple[str, ...]:
    """Renew what ages before `horizon`; gives the exhibits that have a new record."""
    fresh = parts.judged.sunsets.strongest(horizon)
    by_hash: dict[str, list[_Due]] = {}
    for age, folder in due:
        ended = parts.judged.sunsets.hashes.get(age.hash_name)
        begins = not age.renewals or (ended is not None and ended <= horizon)
        name = fresh if begins else age.hash_name
        by_hash.setdefault(name, []).append(_due(parts.blobs, age, folder, name, begins=begins))
    renewed: list[str] = []
    for name, wanted in sorted(by_hash.items()):
        root, paths = _forest(name, wanted)
        token_der = _stamped(parts, name, root, horizon)
        parts.log(LEAF_LABEL + sha256(token_der).value)
        for one in wanted:
            if _keep(parts, one, name, token_der, paths[one.day, one.leaf]):
                renewed.append(one.folder.exhibit)
    return tuple(renewed)


def _due(blobs: Blobs, age: Age, folder: Folder, name: str, *, begins: bool) -> _Due:
    day, number = f"{age.sealed_at:%Y-%m-%d}", age.renewals + 1
    chains: ers.Chains = []
    if age.renewals:
        newest = read(blobs, folder.place + records_in(folder.names)[-1])
        chains, last = _written(renewal.parse(newest))
        if not begins:
            return _Due(folder, day, number, chains, (), ers.hash_of(name, last))
    hashes = list(hashes_of(blobs, folder, name).values())
    if chains:
        before = ers.hash_of(name, ers.sequence_of_chains(chains))
        hashes = [ers.hash_of(name, one, before) for one in hashes]
    group = tuple(sorted(set(hashes)))
    return _Due(folder, day, number, chains, group, ers.group_hash(name, group))


def _written(record: EvidenceRecord) -> tuple[ers.Chains, bytes]:
    """A record in the form it is written in, and its last token."""
    chains = [
        (
            one.hash_name,
            [
                ers.archive_timestamp(one.hash_name, stamp.lists, stamp.token_der)
                for stamp in one.stamps
            ],
        )
        for one in record.chains
    ]
    return chains, record.stamps[-1].token_der


def hashes_of(blobs: Blobs, folder: Folder, name: str) -> Mapping[str, bytes]:
    """Every member of the group under a hash; an original is read only where it must be."""
    manifest = Manifest.parse(read(blobs, folder.place + package.MANIFEST))
    named = {package.ITEMS + item.name: item.sha256 for item in manifest.items}
    found = {}
    for member in sorted(folder.names - set(records_in(folder.names))):
        if name == "sha256" and member in named:
            found[member] = named[member].value
        else:
            found[member] = _hash_of_blob(blobs, folder.place + member, name, named.get(member))
    return found


def _hash_of_blob(blobs: Blobs, place: str, name: str, wanted: Digest | None) -> bytes:
    """Under another hash; an original that is no longer the one in the manifest is refused."""
    hasher, plain = ers.hasher(name), ers.hasher("sha256")
    with blobs.open(place) as stream:
        while block := stream.read(_BLOCK):
            hasher.update(block)
            plain.update(block)
    if wanted is not None and plain.digest() != wanted.value:
        raise Refused(
            "keep.damaged",
            expected=str(wanted),
            found=f"{place}: sha256:{plain.hexdigest()}",
            act="the operator runs fsck, which names what is damaged, and restores it",
        )
    return hasher.digest()


def _forest(
    name: str, wanted: Sequence[_Due]
) -> tuple[bytes, Mapping[tuple[str, bytes], ers.Lists]]:
    """A tree for each day, and one over their roots; the path of each leaf through both."""
    days: dict[str, list[bytes]] = {}
    for one in wanted:
        days.setdefault(one.day, []).append(one.leaf)
    trees = {day: ers.tree_over(name, leaves) for day, leaves in days.items()}
    root, above = ers.tree_over(name, [top for top, _ in trees.values()])
    paths = {
        (day, leaf): (*path, *above[top])
        for day, (top, within) in trees.items()
        for leaf, path in within.items()
    }
    return root, paths


def _stamped(parts: Renewing, name: str, root: bytes, horizon: datetime) -> bytes:
    """A token over the root by an authority that will be good for longer than what ages."""
    nonce = int.from_bytes(parts.entropy(_NONCE_OCTETS), "big")
    answer = parts.respond(ers.request(name, root, nonce))
    try:
        token = timestamp.parse(answer)
        timestamp.require_imprint(token, root, name)
        timestamp.require_nonce(token, nonce)
        reader = der.parse(answer, der.SEQUENCE, "answer").reader("answer")
        reader.take(der.SEQUENCE)
        token_der = reader.take(der.SEQUENCE).encoded
        until, because = end_of(token_der, name, parts.judged)
    except ProofError as error:
        raise Unavailable(
            "keep.stamp-unsound",
            expected=error.expected or "a valid timestamp",
            found=f"{error.found} ({error.code})",
            act="the operator looks at the authority, or adds its root to timestamp_roots",
        ) from error
    if until <= horizon:
        raise Refused(
            "keep.authority-too-old",
            expected=f"an authority that is good after {horizon:%Y-%m-%d}",
            found=f"until {until:%Y-%m-%d}: {because}",
            act="ask an authority with younger certificates and algorithms, then renew again",
        )
    return token_der


def _keep(parts: Renewing, one: _Due, name: str, token_der: bytes, path: ers.Lists) -> bool:
    """Write the record, once it is sound; False when another run was first."""
    lists = (
        ers.lists_of_group(one.group, path) if one.group else ers.lists_of_one(one.leaf, path)
    )
    stamp = ers.archive_timestamp(name, lists, token_der)
    chains = [(each, list(stamps)) for each, stamps in one.chains]
    if one.group:
        chains.append((name, [stamp]))
    else:
        chains[-1][1].append(stamp)
    octets = ers.evidence_record(chains)
    _require_sound(parts, one.folder, octets)
    try:
        parts.blobs.put(f"{one.folder.place}{package.RENEWALS}{one.number:04d}.ers", [octets])
    except AlreadyKept:
        return False
    return True


def _require_sound(parts: Renewing, folder: Folder, octets: bytes) -> None:
    def group(name: str) -> Group:
        required = set(package.papers_of(manifest))
        hashes = hashes_of(parts.blobs, folder, name)
        return Group(
            frozenset(value for member, value in hashes.items() if member in required),
            frozenset(hashes.values()),
        )

    try:
        manifest = Manifest.parse(read(parts.blobs, folder.place + package.MANIFEST))
        record = renewal.parse(octets)
        renewal.require_covered(record, group)
        own = [
            renewal.until_of(
                timestamp.parse(read(parts.blobs, folder.place + one)),
                parts.judged.roots,
                parts.judged.sunsets.hashes,
            )
            for one in tokens_in(folder.names)
        ]
        renewal.require_in_time(record, parts.judged.roots, parts.judged.sunsets.hashes, *own)
    except ProofError as error:
        raise Refused(
            "keep.renewal-unsound",
            expected=error.expected or "a sound record",
            found=f"{folder.exhibit}: {error.found} ({error.code})",
            act="the operator runs fsck; what ended before it was renewed cannot be renewed",
        ) from error
