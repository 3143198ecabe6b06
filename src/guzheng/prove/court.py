"""What a court asks of the ledger: does it hold this evidence, and does it hold the same?

Three answers, in the words of the field: 核验通过 (consistent), 尚未存证 (absent: nothing here
speaks of it, which says nothing about anywhere else), 与账本比对不一致 (inconsistent: something
here speaks of it, and what it says differs). Asked anew each time: the leaf is made again from
manifest and seal, read from the ledger's published bundle, and proved under the checkpoint that
is served now. Pure; whoever calls brings the octets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from guzheng.proof import certificate, package, timestamp, tree
from guzheng.proof.digest import Digest, sha256
from guzheng.proof.errors import DigestMismatch, Inconsistent, ProofError
from guzheng.proof.manifest import Manifest, leaf_of
from guzheng.proof.timestamp import TimestampToken
from guzheng.proof.tlogproof import TlogProof


class Match(StrEnum):
    """The three answers."""

    CONSISTENT = "consistent"
    ABSENT = "absent"
    INCONSISTENT = "inconsistent"


@dataclass(frozen=True, slots=True)
class Question:
    """At least one of them; where there are several, one exhibit must fit them all."""

    file: Digest | None = None
    number: str | None = None
    index: int | None = None
    shard: str = "first"  # of the ledger, in which the entry has this number


@dataclass(frozen=True, slots=True)
class Located:
    """Where in the ledger an exhibit is: what its own paper says, and the checkpoint now."""

    index: int
    size: int
    root: bytes
    origin: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One of three, with the reason as a code; what was expected and found when they differ."""

    match: Match
    code: str
    exhibit: str = ""
    number: str = ""
    attested_at: datetime | None = None
    located: Located | None = None
    file: str = ""  # which file of the exhibit was asked about
    expected: str = ""
    found: str = ""


def answer(
    question: Question,
    exhibit: str,
    papers: Mapping[str, bytes],
    held: bytes | None,
    proved: TlogProof,
) -> Answer:
    """`held`: the entry's octets in the published bundle; `proved`: its proof as of now."""
    at = proved.checkpoint
    located = Located(proved.index, at.size, at.root, at.origin)
    # Until the ledger has confirmed the papers, their number and time are nobody's word.
    number, attested_at, file = question.number or "", None, ""
    try:
        manifest_json = papers[package.MANIFEST]
        manifest, seal = Manifest.parse(manifest_json), timestamp.parse(papers[package.SEAL])
        _require_entry(manifest_json, papers, held, proved)
        _require_sealed(manifest_json, seal)
        number = certificate.number_of(sha256(manifest_json), seal)
        attested_at = seal.attested_at
        _require_asked(question, number, proved.index)
        if question.file is not None:
            file = _file_of(manifest, papers, question.file)
    except ProofError as error:
        return Answer(
            Match.INCONSISTENT,
            error.code,
            exhibit,
            number,
            attested_at,
            located,
            file,
            error.expected,
            error.found,
        )
    return Answer(
        Match.CONSISTENT, "court.consistent", exhibit, number, attested_at, located, file
    )


def _require_entry(
    manifest_json: bytes, papers: Mapping[str, bytes], held: bytes | None, proved: TlogProof
) -> None:
    leaf = leaf_of(manifest_json, papers[package.SEAL])
    if held != leaf:
        raise DigestMismatch("court.entry-differs", leaf, held or b"")
    at = proved.checkpoint
    tree.require_included(tree.leaf_hash(leaf), proved.index, at.size, proved.path, at.root)


def _require_sealed(manifest_json: bytes, seal: TimestampToken) -> None:
    timestamp.require_imprint(seal, sha256(manifest_json).value)
    timestamp.require_signature(seal)


def _require_asked(question: Question, number: str, index: int) -> None:
    if question.number is not None and question.number != number:
        raise Inconsistent("court.number-differs", number, question.number)
    if question.index is not None and question.index != index:
        raise Inconsistent("court.index-differs", index, question.index)


def _file_of(manifest: Manifest, papers: Mapping[str, bytes], file: Digest) -> str:
    """The name, in the exhibit, of the file with this digest."""
    for item in manifest.items:
        if file in item.digests:
            return item.name
    for name, octets in papers.items():
        if sha256(octets) == file:
            return name
    raise DigestMismatch("court.file-of-another", "a file of this exhibit", str(file))
