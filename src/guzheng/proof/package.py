"""The court package: which members it has, their listing, and the one form of its zip.

docs/spec/package.md is its specification. A package is a mapping of names to octets; folder
and zip are two containers of it. In the zip every member is stored, dates are fixed and names
sorted, so that one content has one file, and a container that was written again is seen.
"""

import re
import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from guzheng.proof.digest import Digest, sha256
from guzheng.proof.errors import DigestMismatch, Malformed, Refuted, require
from guzheng.proof.manifest import EXHIBIT_FORM, Manifest, require_item_name

LISTING, RECIPE = "SHA256SUMS", "VERIFY.md"
ROOTS, LEDGER_POLICY = "trust/roots.pem", "trust/ledger.policy"
OUTER = (RECIPE, LISTING, ROOTS, LEDGER_POLICY)
EXHIBITS = "exhibits/"
# Documents for reading and filing: beside the exhibits, listed like all, attested by nobody.
CATALOGUE, LABELS, DISCLOSURE = "证据目录.pdf", "光盘标签.pdf", "平台披露表.pdf"
CERTIFICATION, PAGE = "FRE-902-certification.pdf", "verify.html"
DOCUMENTS = (CATALOGUE, LABELS, DISCLOSURE, CERTIFICATION, PAGE)

MANIFEST, CAPTURE, SEAL, LEAF = "manifest.json", "capture.json", "seal.tsa", "leaf"
SEAL_SM2 = "seal.sm2.tsa"  # the platform's own authority again, under SM2 and SM3
ENTRY = "entry.tlog-proof"
CERTIFICATE_JSON, CERTIFICATE_PDF = "certificate.json", "certificate.pdf"
ITEMS, TOKENS = "items/", "tokens/"
ANCHORS, RENEWALS = "anchors/", "renewals/"
MOMENTS = "moments/"  # stamps that were asked for during a capture
ANCHORED = "anchors/checkpoint.tlog-proof"  # the entry under the checkpoint that is anchored
AUTHORITY = r"[a-z0-9][a-z0-9-]{0,31}"  # how a further authority or an anchor is named

MAX_MEMBERS = 20_000  # ten exhibits of the largest kind
MAX_PAPER = 64 * 1024 * 1024  # octets; a certificate with a thousand tokens attached is below
MAX_PAPERS = 512 * 1024 * 1024  # octets of all papers, since they are held in memory
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")
_OPTIONAL = re.compile(
    rf"seal\.{AUTHORITY}\.tsa|renewals/[0-9]{{4}}\.ers"
    rf"|anchors/checkpoint\.(tlog-proof|{AUTHORITY}\.(tsa|ots|evm\.json))"
    r"|moments/((opening|transcript|closing)\.tsa|before\.note)"
)


@dataclass(frozen=True, slots=True)
class Observed:
    """What the reader of a member found: octets and digest, SM3 when it was asked for."""

    size: int
    sha256: Digest
    sm3: Digest | None = None
    sha512: bytes | None = None  # for renewals that were made under it


def is_paper(name: str) -> bool:
    """Whether a member is a paper, read whole; the others are originals, and only hashed."""
    return ITEMS not in name


def papers_of(manifest: Manifest) -> tuple[str, ...]:
    """Every member that an exhibit with this manifest must have, in the order of the road."""
    kept = [] if manifest.kind == "hash-only" else [ITEMS + one.name for one in manifest.items]
    capture = [CAPTURE] if manifest.capture else []
    tokens = [f"{TOKENS}{one.name}.tsa" for one in manifest.items if one.role == "original"]
    made = (SEAL, LEAF, ENTRY, CERTIFICATE_JSON, CERTIFICATE_PDF)
    return (*kept, *capture, MANIFEST, *tokens, *made)


def is_optional(name: str) -> bool:
    """A paper that an exhibit may have besides: another seal, a receipt, a renewal."""
    return _OPTIONAL.fullmatch(name) is not None


def seals_of(names: Collection[str]) -> tuple[str, ...]:
    """The seal, there or not, and every further one that is there."""
    return (SEAL, *sorted(one for one in names if is_optional(one) and one.startswith("seal.")))


def exhibits_in(names: Iterable[str]) -> tuple[str, ...]:
    """The exhibits whose folders occur among the members."""
    parts = [name.split("/") for name in names if name.startswith(EXHIBITS)]
    folders = {one[1] for one in parts if len(one) > 2}
    return tuple(sorted(one for one in folders if EXHIBIT_FORM.fullmatch(one)))


def require_member_name(name: str) -> str:
    """A relative path of safe names, `/` between them."""
    for part in name.split("/"):
        require_item_name(part)
    return name


def encode_listing(digests: Mapping[str, Digest]) -> bytes:
    """SHA256SUMS, as `sha256sum -c` reads it; every member but the listing itself."""
    return "".join(f"{digests[name].hex}  {name}\n" for name in sorted(digests)).encode()


def evidence_digest(listing: Mapping[str, Digest]) -> Digest:
    """What a label shows: over the lines of the exhibits, and so of no document or container.

    The same by hand: `grep '  exhibits/' SHA256SUMS | sha256sum`."""
    own = {name: listing[name] for name in listing if name.startswith(EXHIBITS)}
    return sha256(encode_listing(own))


def parse_listing(octets: bytes) -> dict[str, Digest]:
    """Of SHA256SUMS: name → digest, sorted, each once. Raises Malformed."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("package.listing-malformed", "UTF-8", str(error)[:80]) from error
    listing: dict[str, Digest] = {}
    for line in text.split("\n")[:-1]:
        form = _LINE.fullmatch(line)
        if form is None:
            raise Malformed("package.listing-malformed", "<sha256>  <name>", repr(line[:80]))
        listing[require_member_name(form[2])] = Digest("sha256", bytes.fromhex(form[1]))
    same, wanted = encode_listing(listing) == octets, "sorted lines, each once"
    require(same, Malformed, "package.listing-malformed", wanted, "another order")
    return listing


def require_members(wanted: Iterable[str], found: Collection[str]) -> None:
    """Exactly the wanted members: none missing, none extra. The first at fault is named."""
    names = tuple(wanted)
    for name in sorted(set(names) - set(found)):
        raise Refuted("package.member-missing", name, "no such member")
    for name in sorted(set(found) - set(names)):
        raise Refuted("package.member-extra", "only the members named", name)


def require_listed(name: str, wanted: Digest, found: Observed) -> None:
    """Raises DigestMismatch unless the member has the digest that the listing says."""
    shown = f"{found.sha256} ({name})"
    require(found.sha256 == wanted, DigestMismatch, "package.member-altered", wanted, shown)


# ---- the zip container: PKWARE APPNOTE 6.3.10, method 0, UTF-8 names, zip64 where it must be

_MOMENT = (0, 0x21)  # 00:00:00 on 1980-01-01: a package has no date but those of its papers
_LIMIT = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class ZipMember:
    """One stored member: its name, its size in octets, its CRC-32."""

    name: str
    size: int
    crc: int


def zip_local_header(member: ZipMember) -> bytes:
    """What stands before the octets of a stored member (APPNOTE §4.3.7)."""
    name, large = member.name.encode(), member.size >= _LIMIT
    extra = struct.pack("<HHQQ", 1, 16, member.size, member.size) if large else b""
    size = _LIMIT if large else member.size
    return struct.pack(
        "<IHHHHHIIIHH", 0x04034B50, 45 if large else 20, 0x800, 0, *_MOMENT,
        member.crc, size, size, len(name), len(extra),
    ) + name + extra  # fmt: skip


def zip_directory(members: Iterable[ZipMember]) -> bytes:
    """Everything after the last member: the central directory and its end."""
    entries: list[bytes] = []
    at, count = 0, 0
    for member in members:
        entries.append(_central_entry(member, at))
        at += len(zip_local_header(member)) + member.size
        count += 1
    directory = b"".join(entries)
    size = len(directory)
    if at >= _LIMIT or count >= 0xFFFF:
        end64 = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, size, at)
        directory += end64 + struct.pack("<IIQI", 0x07064B50, 0, at + size, 1)
    short = min(count, 0xFFFF)
    return directory + struct.pack(
        "<IHHHHIIH", 0x06054B50, 0, 0, short, short, min(size, _LIMIT), min(at, _LIMIT), 0
    )


def _central_entry(member: ZipMember, at: int) -> bytes:
    name, large = member.name.encode(), member.size >= _LIMIT
    wide = struct.pack("<QQ", member.size, member.size) if large else b""
    wide += struct.pack("<Q", at) if at >= _LIMIT else b""
    extra = struct.pack("<HH", 1, len(wide)) + wide if wide else b""
    size = _LIMIT if large else member.size
    needed = 45 if wide else 20
    # 3 << 8: made on Unix, so that the mode (a plain file, 0644) is read.
    return struct.pack(
        "<IHHHHHHIIIHHHHHII", 0x02014B50, 3 << 8 | needed, needed, 0x800, 0, *_MOMENT,
        member.crc, size, size, len(name), len(extra), 0, 0, 0, 0o100644 << 16, min(at, _LIMIT),
    ) + name + extra  # fmt: skip
