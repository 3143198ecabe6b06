"""Evidence records: why an old timestamp is still to be believed (RFC 4998).

A timestamp ages: its certificate ends, its algorithms weaken. Before that, everything the
exhibit holds is hashed into a tree, and a new authority stamps the root; later that stamp is
stamped in its turn (within the chain), or all is hashed again with a stronger algorithm (a new
chain). The record of an exhibit holds those stamps and its own paths to their roots.

What a sound record proves: these members existed at its first time, and somebody who is
believed has vouched without a gap until its last stamp ends. Not that they were true.
docs/spec/renewal.md says what is narrower here than in the RFC.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain as flattened
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from guzheng.proof import cms, der, package, timestamp
from guzheng.proof.errors import DigestMismatch, Inconsistent, Malformed, Refuted, require
from guzheng.proof.manifest import Manifest
from guzheng.proof.package import Observed
from guzheng.proof.steps import need
from guzheng.proof.timestamp import TimestampToken

HASHES = ("sha256", "sha512")
MAX_OCTETS = 4 << 20
_MOST = 4096  # chains, stamps, lists, or hashes in a list


@dataclass(frozen=True, slots=True)
class ArchiveTimestamp:
    """One stamp, and the lists of hashes that lead from what it covers to its imprint."""

    lists: tuple[tuple[bytes, ...], ...]
    token: TimestampToken
    token_der: bytes  # as the next stamp hashes it


@dataclass(frozen=True, slots=True)
class Chain:
    """Stamps over one another under one hash algorithm."""

    hash_name: str
    stamps: tuple[ArchiveTimestamp, ...]
    encoded: bytes


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """RFC 4998 §3: chains of timestamps, the oldest first, one for each hash that was used."""

    chains: tuple[Chain, ...]

    @property
    def stamps(self) -> tuple[ArchiveTimestamp, ...]:
        """All of them, in the order of time."""
        return tuple(flattened.from_iterable(one.stamps for one in self.chains))


@dataclass(frozen=True, slots=True)
class Group:
    """The members of one exhibit by their hashes: those that must be covered, and all."""

    required: frozenset[bytes]
    held: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Renewed:
    """What was proved: covered since then, and until then by somebody who is believed."""

    since: datetime
    until: datetime


# ---- reading -----------------------------------------------------------------------------


def parse(octets: bytes) -> EvidenceRecord:
    """An EvidenceRecord in DER (RFC 4998 §3.1); raises ProofError, and nothing else."""
    _require(len(octets) <= MAX_OCTETS, f"at most {MAX_OCTETS} octets", len(octets))
    reader = der.parse(octets, der.SEQUENCE, "EvidenceRecord").reader("EvidenceRecord")
    version = der.integer(reader.take(der.INTEGER))
    announced = reader.take(der.SEQUENCE).reader("digestAlgorithms").all(der.SEQUENCE)
    # Neither cryptoInfos nor encryptionInfo: what is kept here is plain.
    sequence = reader.take(der.SEQUENCE).reader("ArchiveTimeStampSequence").all(der.SEQUENCE)
    reader.end()
    chains = tuple(_chain(one) for one in _bounded(sequence, "chains"))
    names = list(dict.fromkeys(one.hash_name for one in chains))
    _require(version == 1, "version 1", version)
    _require([_hash_name(one) for one in announced] == names, f"{names} announced", "others")
    return EvidenceRecord(chains)


def _chain(element: der.Element) -> Chain:
    stamps = element.reader("ArchiveTimeStampChain").all(der.SEQUENCE)
    read = [_stamp(one) for one in _bounded(stamps, "stamps")]
    names = {name for name, _ in read}
    _require(len(names) == 1, "one hash algorithm in a chain (§5.3, step 2)", sorted(names))
    return Chain(names.pop(), tuple(one for _, one in read), element.encoded)


def _stamp(element: der.Element) -> tuple[str, ArchiveTimestamp]:
    reader = element.reader("ArchiveTimeStamp")
    algorithm = reader.optional(der.context(0))
    tree = reader.optional(der.context(2))  # [1] attributes: none is known here, so refused
    token_der = reader.take(der.SEQUENCE).encoded
    reader.end()
    token = timestamp.parse(token_der)
    name = token.imprint_name  # §3.2: unless digestAlgorithm says it
    if algorithm is not None:
        name = _hash_name(der.Element(der.SEQUENCE, algorithm.content, algorithm.encoded))
    _require(name in HASHES, " or ".join(HASHES), name)
    found = _bounded(tree.reader("reducedHashtree").all(der.SEQUENCE), "lists") if tree else []
    lists = tuple(_hashes(one, name) for one in found)
    # §4.2.2. Of a first list of one, readers differ in whether it is hashed again.
    _require(not lists or len(lists[0]) > 1, "a first list of two hashes or more", "one")
    return name, ArchiveTimestamp(lists, token, token_der)


def _hashes(element: der.Element, name: str) -> tuple[bytes, ...]:
    found = element.reader("PartialHashtree").all(der.OCTET_STRING)
    hashes = [one.content for one in _bounded(found, "hashes")]
    size = hashlib.new(name).digest_size
    _require(all(len(one) == size for one in hashes), f"hashes of {name}", "others")
    _require(all(one < other for one, other in pairwise(hashes)), "ascending hashes", "others")
    return tuple(hashes)


def _hash_name(algorithm: der.Element) -> str:
    name = cms.digest_name(algorithm)
    _require(name in HASHES, " or ".join(HASHES), name)
    return name


def _bounded(found: list[der.Element], what: str) -> list[der.Element]:
    _require(0 < len(found) <= _MOST, f"1 to {_MOST} {what}", len(found))
    return found


def _require(holds: bool, expected: object, found: object) -> None:  # noqa: FBT001 - a sentence
    require(holds, Malformed, "renewal.malformed", expected, found)


# ---- checking ----------------------------------------------------------------------------


def group_of(papers: Mapping[str, bytes], observed: Mapping[str, Observed], name: str) -> Group:
    """The members of an exhibit under a hash: docs/spec/renewal.md §2."""
    manifest = Manifest.parse(need(papers.get(package.MANIFEST), package.MANIFEST))
    hashes: dict[str, bytes] = {}
    for member in (one for one in observed if not one.startswith(package.RENEWALS)):
        if member in papers:
            hashes[member] = _hash(name, papers[member])
        elif name == "sha256":
            hashes[member] = observed[member].sha256.value
        else:
            hashes[member] = need(observed[member].sha512, f"{name} of {member}")
    required = (need(hashes.get(one), one) for one in package.papers_of(manifest))
    return Group(frozenset(required), frozenset(hashes.values()))


def require_covered(record: EvidenceRecord, group_of: Callable[[str], Group]) -> None:
    """Every path leads from what it should cover to its stamp's imprint: RFC 4998 §5.3.

    `group_of` gives the members under a hash algorithm, or raises Undecided."""
    for number, chain in enumerate(record.chains):
        name, group = chain.hash_name, group_of(chain.hash_name)
        if number:  # §5.2, hash-tree renewal: each document with all that was stamped before
            before = _hash(name, _sequence_of(one.encoded for one in record.chains[:number]))
            group = Group(
                frozenset(_hash(name, one + before) for one in group.required),
                frozenset(_hash(name, one + before) for one in group.held),
            )
        first = chain.stamps[0]
        # §4.3, step 2, and for a group: no hash that is not a member's. Without it a record
        # could cover an exhibit together with papers that were taken away since.
        covered = frozenset(first.lists[0] if first.lists else ())
        missing, strange = len(group.required - covered), len(covered - group.held)
        same, found = not missing and not strange, f"{missing} missing, {strange} others"
        require(same, DigestMismatch, "renewal.group-differs", "this exhibit's members", found)
        _require_leads(first, name)
        for old, new in pairwise(chain.stamps):  # §5.2, timestamp renewal
            hashed = _hash(name, old.token_der)
            held = not new.lists or hashed in new.lists[0]
            require(held, DigestMismatch, "renewal.not-continued", hashed, "other hashes")
            _require_leads(new, name, hashed)


def _require_leads(stamp: ArchiveTimestamp, name: str, value: bytes = b"") -> None:
    """§4.3, steps 3 and 4: hash list after list, each in ascending order, up to the imprint."""
    for number, hashes in enumerate(stamp.lists):
        below = {value} if number else set[bytes]()
        value = _hash(name, b"".join(sorted({*hashes, *below})))
    timestamp.require_imprint(stamp.token, value, name)


def require_in_time(
    record: EvidenceRecord,
    roots: tuple[x509.Certificate, ...],
    hash_ends: Mapping[str, datetime],
    *own: datetime,
) -> Renewed:
    """Each stamp is its authority's, and was made before what it covers ended: §5.3.

    `own`: until when the exhibit's own tokens were valid. `hash_ends`: when a hash algorithm
    is no longer to be relied on."""
    times = [one.token.attested_at for one in record.stamps]
    ends = [until_of(one.token, roots, hash_ends) for one in record.stamps]
    for until in own:
        _require_by(until, times[0])
    for earlier, later in pairwise(times):
        require(earlier < later, Inconsistent, "renewal.order", f"after {earlier}", later)
    for until, later in zip(ends, times[1:], strict=False):
        _require_by(until, later)
    for old, new in pairwise(record.chains):
        if old.hash_name in hash_ends:
            _require_by(hash_ends[old.hash_name], new.stamps[0].token.attested_at)
    newest = record.chains[-1].hash_name
    return Renewed(times[0], min(ends[-1], hash_ends.get(newest, ends[-1])))


def _require_by(until: datetime, stamped: datetime) -> None:
    require(stamped <= until, Refuted, "renewal.late", f"a stamp by {until}", stamped)


def until_of(
    token: TimestampToken,
    roots: tuple[x509.Certificate, ...],
    hash_ends: Mapping[str, datetime],
) -> datetime:
    """When the first certificate on a token's path ends, or a hash that its signature or theirs
    rest on; signature and path are checked."""
    path = timestamp.require_trusted(token, timestamp.require_signature(token), roots)
    ends = [hash_ends[one] for one in signed_under(token, path) if one in hash_ends]
    return min([*ends, *(one.not_valid_after_utc for one in path)])


def signed_under(token: TimestampToken, path: tuple[x509.Certificate, ...]) -> frozenset[str]:
    """The hash algorithms that a token's signature rests on, and its certificates below the
    root. No imprint is stronger than these: who breaks one writes the token himself."""
    found = {token.signed.digest_name}
    for one in path[:-1]:
        with suppress(UnsupportedAlgorithm):  # SM2, which has one hash: SM3
            algorithm = one.signature_hash_algorithm
            found |= {algorithm.name} if algorithm else set()
    return frozenset(found)


def require_continues(newer: EvidenceRecord, older: EvidenceRecord) -> None:
    """The older record is how the newer one began, and the newer has more."""
    begun = newer.stamps[: len(older.stamps)] == older.stamps
    more = len(newer.stamps) > len(older.stamps)
    require(begun and more, Inconsistent, "renewal.not-continued", "the older, and more", "not")


def _hash(name: str, octets: bytes) -> bytes:
    return hashlib.new(name, octets).digest()


def _sequence_of(parts: Iterable[bytes]) -> bytes:
    """The DER of the sequence as it stood before the newer chains were added: X.690 §10.1."""
    content = b"".join(parts)
    width = (len(content).bit_length() + 7) // 8
    length = bytes([0x80 | width]) + len(content).to_bytes(width, "big")
    return bytes([der.SEQUENCE]) + (length if len(content) > 127 else length[1:]) + content
