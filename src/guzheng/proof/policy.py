"""What a verifier demands: roots for time, the ledger's keys, and the quorum of witnesses.

Two files say it, and both are standard: X.509 roots in PEM, and a c2sp.org/tlog-policy. A
package brings the pair its platform used; whoever does not want to believe that gives his own.

A quorum is met by those who cosigned the checkpoint and said when; each witness counts in one
way only. `quorum none` asks for nobody, and so proves nothing of what others have seen.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from guzheng.proof import chain, note
from guzheng.proof.errors import Malformed, Undecided, require
from guzheng.proof.note import Note, VerifierKey

NONE = "none"
MAX_OCTETS = 1 << 20
MAX_LINES_OF_A_KIND = 64  # the specification asks for 32 at least
LOG_TYPES = (note.ED25519, note.ML_DSA_44, note.SM2)
WITNESS_TYPES = (note.COSIGNATURE, note.ML_DSA_44)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_THRESHOLD = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Witness:
    """`name` is the policy's own; what a note bears is the name in the key."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Met when `threshold` of its members, witnesses or groups before it, are."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LedgerPolicy:
    """`logs`: keys (C2SP vkeys) of the logs that are believed, one or more of one origin."""

    logs: tuple[str, ...]
    quorum: str = NONE
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    log_urls: tuple[tuple[str, str], ...] = ()  # vkey and URL


@dataclass(frozen=True, slots=True)
class Cosigned:
    """One witness's word that it saw the checkpoint, and that nothing before was rewritten."""

    witness: Witness
    attested_at: datetime


@dataclass(frozen=True, slots=True)
class Trust:
    """None: the verifier was told nothing, and what depends on it is left unchecked."""

    roots: tuple[x509.Certificate, ...] | None = None
    ledger: LedgerPolicy | None = None
    authorities: int = 1  # how many distinct ones must attest the manifest
    judged_at: datetime | None = None  # whether it still stands then is asked, too
    hash_ends: Mapping[str, datetime] = field(default_factory=dict[str, datetime])


def parse_roots(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Of PEM: one certificate or more, in their order. Raises Malformed."""
    return chain.parse_pem_roots(pem)


def require_quorum(policy: LedgerPolicy, signed: Note) -> tuple[Cosigned, ...]:
    """Who of the policy's witnesses cosigned, and when: enough of them."""
    times = signed.find_signed(one.key for one in policy.witnesses)
    cosigned = tuple(
        Cosigned(one, at) for one in policy.witnesses if (at := times.get(one.key)) is not None
    )
    met = met_by(policy, {one.witness.name for one in cosigned})
    found = ", ".join(one.witness.key.name for one in cosigned) or "no cosignature"
    expected = f"the quorum {policy.quorum!r}"
    require(policy.quorum in met, Undecided, "policy.quorum-missing", expected, found)
    return cosigned


def met_by(policy: LedgerPolicy, names: Collection[str]) -> set[str]:
    """The witnesses of these names, and every group that they are enough for."""
    met = {NONE, *names}
    for group in policy.groups:  # each names only what stands before it
        if len(met.intersection(group.members)) >= group.threshold:
            met.add(group.name)
    return met


# -- the file ----------------------------------------------------------------------------------


def parse_ledger_policy(octets: bytes) -> LedgerPolicy:
    """Octets above 0x7f are opaque, as the specification says; a vkey must still be UTF-8."""
    text = octets[: MAX_OCTETS + 1].decode("utf-8", "surrogateescape")
    _require(len(octets) <= MAX_OCTETS, f"at most {MAX_OCTETS} octets", len(octets))
    _require(not _CONTROL.search(text), "no control character but tab and newline", "one")
    file = _File([], [], [], [], [], set(), set())
    for line in text.split("\n"):
        words = re.findall(r"[^ \t]+", line)
        if words and not words[0].startswith("#"):
            file.take(words)
    return file.policy()


@dataclass(frozen=True, slots=True)
class _File:
    """What the lines before have said."""

    logs: list[VerifierKey]
    log_urls: list[tuple[str, str]]
    witnesses: list[Witness]
    groups: list[Group]
    quorums: list[str]
    defined: set[str]
    grouped: set[str]

    def take(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) < 2:
                self.logs.append(_key(vkey, LOG_TYPES))
                self.log_urls.extend((vkey, one) for one in url)
            case ["witness", name, vkey, *url] if len(url) < 2:
                self.define(name)
                key = _key(vkey, WITNESS_TYPES)
                self.witnesses.append(Witness(name, key, url[0] if url else None))
            case ["group", name, how, *members] if members:
                for one in members:
                    self.require_defined(one)
                    _require(one not in self.grouped, "a name in one group only", repr(one))
                    self.grouped.add(one)
                self.define(name)
                self.groups.append(Group(name, _threshold(how, len(members)), tuple(members)))
            case ["quorum", name]:
                if name != NONE:
                    self.require_defined(name)
                self.quorums.append(name)
            case _:
                raise Malformed("policy.malformed", "log, witness, group or quorum", words[:3])

    def define(self, name: str) -> None:
        _require(name not in self.defined | {NONE}, "a name for one thing only", repr(name))
        self.defined.add(name)

    def require_defined(self, name: str) -> None:
        _require(name in self.defined, "names of lines before this one", repr(name[:80]))

    def policy(self) -> LedgerPolicy:
        found = f"{len(self.logs)} and {len(self.quorums)}"
        _require(
            bool(self.logs) and len(self.quorums) == 1, "logs, and exactly one quorum", found
        )
        for kind in (self.logs, [one.key for one in self.witnesses], self.groups):
            _require(
                len(kind) <= MAX_LINES_OF_A_KIND, f"at most {MAX_LINES_OF_A_KIND}", len(kind)
            )
        for keys in (self.logs, [one.key for one in self.witnesses]):
            public = {key.public for key in keys}  # under whatever name
            _require(len(public) == len(keys), "each key once", "one twice")
        return LedgerPolicy(
            tuple(map(str, self.logs)),
            self.quorums[0],
            tuple(self.witnesses),
            tuple(self.groups),
            tuple(self.log_urls),
        )


def encode_ledger_policy(policy: LedgerPolicy) -> bytes:
    """Lines of a C2SP tlog-policy, in UTF-8; `parse_ledger_policy` gives it back."""
    urls = dict(policy.log_urls)
    lines = [
        *(("log", one, urls.get(one, "")) for one in policy.logs),
        *(("witness", one.name, str(one.key), one.url or "") for one in policy.witnesses),
        *(("group", one.name, str(one.threshold), *one.members) for one in policy.groups),
        ("quorum", policy.quorum),
    ]
    text = "".join(" ".join(filter(None, line)) + "\n" for line in lines)
    return text.encode("utf-8", "surrogateescape")


def _key(vkey: str, types: tuple[int, ...]) -> VerifierKey:
    key = VerifierKey.parse(vkey)
    _require(key.type in types, f"a key of a type in {types}", key.type)
    return key


def _threshold(how: str, members: int) -> int:
    named = {"any": 1, "all": members}
    if how in named:
        return named[how]
    _require(bool(_THRESHOLD.fullmatch(how)), "any, all or a number", repr(how[:80]))
    _require(int(how) <= members, f"at most {members}", how)
    return int(how)


def _require(holds: bool, expected: str, found: object) -> None:  # noqa: FBT001
    require(holds, Malformed, "policy.malformed", expected, found)
