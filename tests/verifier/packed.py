"""Real packages, made by the platform itself, and ways to alter them.

`pack` walks the whole road on a data directory of its own; nothing here knows how a paper is
made. `judged` is what `guzheng-verify` does between reading its arguments and printing.
"""

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.intake import Upload, by_digest, digests_of_stream
from guzheng.proof import package
from guzheng.proof.digest import sha256
from guzheng.proof.package import ZipMember
from guzheng.proof.report import Outcome
from guzheng.verifier.question import parser, question_of
from guzheng.verifier.verdict import Verdict, verdict_of

FILES = {
    "photograph.txt": b"what the photograph shows\n" * 8,
    "合同 甲方.txt": "第一条：双方同意。\n".encode() * 5,
}
KEPT = b"the owner keeps this file, and shows it in court\n"
KEPT_NAME = "kept.bin"


@dataclass(frozen=True, slots=True)
class Packed:
    """One package, as zip and by member; `deposit` has two files, `hash_only` has none."""

    octets: bytes
    members: Mapping[str, bytes]
    deposit: str
    hash_only: str
    roots: Path
    policy: Path

    def member(self, exhibit: str, paper: str) -> bytes:
        return self.members[f"{package.EXHIBITS}{exhibit}/{paper}"]


def pack(folder: Path) -> Packed:
    """Everything that a stranger is handed, made under `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    platform = Platform(Config(data=folder / "data"))
    uploads = tuple(Upload(name, [octets], "text/plain") for name, octets in FILES.items())
    deposit = platform.road.deposit(uploads, largest=1 << 20, claimed_name="两份文件").exhibit
    size, digests = digests_of_stream(io.BytesIO(KEPT))
    kept = by_digest(KEPT_NAME, size, digests, "application/octet-stream")
    hash_only = platform.road.deposit_digests((kept,)).exhibit
    for exhibit in (deposit, hash_only):
        assert platform.walk(exhibit, lambda _step, _detail: None) == "certified"
    out, roots, ledger = (folder / one for one in ("package.zip", "roots.pem", "ledger.policy"))
    platform.write_package((deposit, hash_only), out)
    octets = out.read_bytes()
    members = members_of(octets)
    roots.write_bytes(platform.roots_pem())
    ledger.write_bytes(members[package.LEDGER_POLICY])
    return Packed(octets, members, deposit, hash_only, roots, ledger)


def members_of(octets: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(octets)) as archive:
        return {one.filename: archive.read(one) for one in archive.infolist()}


def listed(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """The members with a listing that fits them: whoever alters a member can do this too."""
    rest = {name: octets for name, octets in members.items() if name != package.LISTING}
    listing = package.encode_listing({name: sha256(one) for name, one in rest.items()})
    return {**rest, package.LISTING: listing}


def zipped(members: Mapping[str, bytes]) -> bytes:
    """The one form of container, written as docs/spec/package.md §4 says."""
    order = [*sorted(set(members) - {package.LISTING}), package.LISTING]
    forms = [
        ZipMember(one, len(members[one]), zlib.crc32(members[one]))
        for one in order
        if one in members
    ]
    parts = [package.zip_local_header(one) + members[one.name] for one in forms]
    return b"".join(parts) + package.zip_directory(forms)


def unpacked(members: Mapping[str, bytes], folder: Path) -> Path:
    for name, octets in members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)
    return folder


def judged(path: Path, *options: object) -> Verdict:
    """In this process. Whatever else than a verdict comes out of it is a bug."""
    return verdict_of(question_of(parser().parse_args([str(path), *map(str, options)])))


def codes(verdict: Verdict) -> set[str]:
    """Of the findings that did not pass."""
    return {one.code for one in verdict.report.findings if one.outcome is not Outcome.PASSED}
