"""The packages of tests/vectors/package: two good ones, and what can be done to them.

`good.zip`, `hash-only.zip` and `stranger.zip` are made once by the platform itself (--remake),
with keys that are thrown away, and a certificate of one blank page so that they stay small;
every other package is derived from them, octet by octet the same on every machine.
"""

import dataclasses
import io
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives import hashes

from guzheng import certify
from guzheng.app import Platform, open_parts
from guzheng.config import Config
from guzheng.intake import Upload, by_digest, digests_of_stream
from guzheng.proof.package import ZipMember, zip_directory, zip_local_header

Members = dict[str, bytes]
LISTING = "SHA256SUMS"
_FILES = {"photograph.txt": b"what the photograph shows\n", "合同.txt": "第一条\n".encode()}
_KEPT = b"kept by its owner\n"


@dataclass(frozen=True, slots=True)
class Made:
    """What --remake left: octets that nothing here can make again."""

    good: bytes
    hash_only: bytes
    stranger: bytes
    dual: bytes

    @classmethod
    def read(cls, folder: Path) -> "Made":
        return cls(*((folder / f"{name}.zip").read_bytes() for name in _MADE))


_MADE = ("good", "hash-only", "stranger", "dual")
SM2_SEAL = "seal.sm2.tsa"


@dataclass(frozen=True, slots=True)
class Case:
    """One package, whom its reader believes, and what must come of it."""

    name: str
    about: str
    outcome: str
    codes: tuple[str, ...] = ()  # of every finding that did not pass, each once, sorted
    octets: bytes | None = None  # None: made, not derived
    of: str = ""  # a package that another case brings
    roots: str | None = None
    policy: str | None = None

    @property
    def package(self) -> str:
        return f"{self.of or self.name}.zip"

    @property
    def is_packed(self) -> bool:
        """Whether its octets depend on somebody's compressor."""
        return self.name in {"deflated", "bzip2", "bomb"}

    def value(self) -> dict[str, object]:
        return {
            "name": self.name,
            "about": self.about,
            "package": self.package,
            "roots": self.roots,
            "policy": self.policy,
            "outcome": self.outcome,
            "codes": list(self.codes),
        }


# ---- making


def remake(folder: Path, only: Sequence[str] = ()) -> None:
    """All of them, with keys of one making each; or those that are named."""
    wanted = only or _MADE
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as room:
        ours = _platform(Path(room) / "ours")
        theirs = _platform(Path(room) / "theirs")
        for name in wanted:
            platform = theirs if name in ("stranger", "dual") else ours
            exhibit = _digests(ours) if name == "hash-only" else _deposit(platform)
            if platform.walk(exhibit, lambda _step, _detail: None) != "certified":
                raise RuntimeError(f"{name}: the road was not walked to its end")
            platform.write_package((exhibit,), folder / f"{name}.zip")
        if "dual" in wanted:
            members = _members((folder / "dual.zip").read_bytes())
            if not any(one.endswith(SM2_SEAL) for one in members):
                raise RuntimeError("dual: this machine's OpenSSL has no SM2")
        if "good" in wanted:
            (folder / "roots.pem").write_bytes(ours.roots_pem())
            ledger = _members((folder / "good.zip").read_bytes())["trust/ledger.policy"]
            (folder / "ledger.policy").write_bytes(ledger)


def _digests(platform: Platform) -> str:
    size, digests = digests_of_stream(io.BytesIO(_KEPT))
    kept = by_digest("kept.bin", size, digests, "application/octet-stream")
    return platform.road.deposit_digests((kept,)).exhibit


def _platform(data: Path) -> Platform:
    config = Config(data=data)
    parts = open_parts(config)
    platform = Platform(config, parts)
    signer = certify.DocumentSigner(
        parts.keys.signer_key,
        parts.keys.signer_der,
        parts.local.respond,
        (parts.keys.root_der,),
    )

    def blank(_: Mapping[str, object], papers: Mapping[str, bytes], at: datetime) -> bytes:
        return signer.sign(_blank_page(papers["certificate.json"]), signed_at=at)

    platform.road = dataclasses.replace(platform.road, certify=blank)
    return platform


def _deposit(platform: Platform) -> str:
    uploads = tuple(Upload(name, [octets], "text/plain") for name, octets in _FILES.items())
    return platform.road.deposit(uploads, largest=1 << 20, claimed_name="两份文件").exhibit


def _blank_page(facts_json: bytes) -> bytes:
    """A PDF of one empty page that names its facts, as docs/spec/certificate.md §3 asks."""
    keywords = f"certificate.json sha256:{sha256(facts_json).hexdigest()}"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> >>",
        f"<< /Keywords ({keywords}) >>",
    ]
    out, places = b"%PDF-1.7\n", []
    for number, text in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    tail = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info 4 0 R >>\n"
    return out + f"{head}{tail}startxref\n{len(out)}\n%%EOF\n".encode()


# ---- altering


def _members(octets: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(octets)) as archive:
        return {one.filename: archive.read(one) for one in archive.infolist()}


def same_members(one: bytes, other: bytes) -> bool:
    """Compressors may differ from machine to machine; what they pack does not."""
    return _members(one) == _members(other)


def _relisted(members: Members) -> Members:
    """With a listing that fits: whoever alters a member can do this too."""
    rest = {name: one for name, one in members.items() if name != LISTING}
    lines = [f"{sha256(rest[name]).hexdigest()}  {name}\n" for name in sorted(rest)]
    return {**rest, LISTING: "".join(lines).encode()}


def _zip(members: Members) -> bytes:
    """The one form of the container: docs/spec/package.md §4."""
    order = [*sorted(set(members) - {LISTING}), *({LISTING} & set(members))]
    return _zip_of([(name, members[name]) for name in order])


def _zip_of(members: list[tuple[str, bytes]]) -> bytes:
    forms = [ZipMember(name, len(octets), zlib.crc32(octets)) for name, octets in members]
    parts = [
        zip_local_header(form) + octets
        for form, (_, octets) in zip(forms, members, strict=True)
    ]
    return b"".join(parts) + zip_directory(forms)


def _written_again(members: Members, method: int) -> bytes:
    """By somebody's zip program."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, octets in members.items():
            entry = zipfile.ZipInfo(name, (2026, 11, 21, 12, 0, 0))
            entry.compress_type, entry.external_attr = method, 0o100644 << 16
            entry.create_system = 3
            archive.writestr(entry, octets)
    return out.getvalue()


def _flipped(octets: bytes, at: int) -> bytes:
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]


def cases(made: Made) -> Iterator[Case]:
    yield Case("good", "as the platform wrote it", "passed", of="good")
    yield Case(
        "good-trusted",
        "and its reader has roots and key of his own",
        "passed",
        of="good",
        roots="roots.pem",
        policy="ledger.policy",
    )
    yield Case("hash-only", "the originals stayed with their owner", "passed", of="hash-only")
    yield Case(
        "stranger", "whole in itself, by a platform nobody knows", "passed", of="stranger"
    )
    yield Case(
        "stranger-unknown",
        "the same, and its reader has other roots",
        "not-checked",
        ("chain.unknown-root",),
        of="stranger",
        roots="roots.pem",
    )
    yield Case(
        "stranger-log",
        "the same, and its reader has another log's key",
        "not-checked",
        ("note.unknown-key", "step.input-missing"),
        of="stranger",
        policy="ledger.policy",
    )
    yield from _containers(made)
    yield from _listings(made)
    yield from _papers(made)
    yield from _two_seals(made)


def _containers(made: Made) -> Iterator[Case]:
    good, rewritten = _members(made.good), ("package.container-rewritten",)
    broken, unsafe = ("package.container-malformed",), ("item.name-refused",)

    def with_member(name: str, octets: bytes = b"x") -> bytes:
        return _zip_of([*good.items(), (name, octets)])

    yield Case(
        "deflated",
        "unpacked and packed again, deflated",
        "not-checked",
        rewritten,
        _written_again(good, zipfile.ZIP_DEFLATED),
    )
    yield Case(
        "stored-again",
        "unpacked and packed again, stored",
        "not-checked",
        rewritten,
        _written_again(good, zipfile.ZIP_STORED),
    )
    yield Case(
        "comment",
        "a comment at the end",
        "not-checked",
        rewritten,
        made.good[:-2] + b"\x01\x00!",
    )
    yield Case(
        "something-before",
        "octets before the first member",
        "not-checked",
        rewritten,
        b"#!" + made.good,
    )
    yield Case(
        "order-of-members",
        "members in another order",
        "not-checked",
        rewritten,
        _zip_of(list(reversed(good.items()))),
    )
    yield Case(
        "cut-short", "the last hundred octets are missing", "failed", broken, made.good[:-100]
    )
    yield Case("not-a-zip", "any file", "failed", broken, b"no package\n" * 9)
    yield Case("empty", "no octet", "failed", broken, b"")
    yield Case(
        "bzip2",
        "packed by a method that is not allowed",
        "failed",
        broken,
        _written_again(good, zipfile.ZIP_BZIP2),
    )
    yield Case(
        "member-twice",
        "VERIFY.md twice",
        "failed",
        ("package.member-twice",),
        with_member("VERIFY.md"),
    )
    yield Case("name-parent", "a member ../evil", "failed", unsafe, with_member("../evil"))
    yield Case("name-absolute", "a member /evil", "failed", unsafe, with_member("/evil"))
    yield Case("name-backslash", "a member a\\b", "failed", unsafe, with_member("a\\b"))
    yield Case(
        "name-escape",
        "a name that speaks to terminals",
        "failed",
        unsafe,
        with_member("\x1b]0;evil\x07"),
    )
    yield Case(
        "symlink",
        "a member that is a symbolic link",
        "failed",
        ("package.member-unreadable",),
        _as_symlink(made.good),
    )
    yield Case(
        "bomb",
        "ten million zeros in ten thousand octets",
        "failed",
        ("package.zip-bomb",),
        _written_again({"VERIFY.md": bytes(10_000_000)}, zipfile.ZIP_DEFLATED),
    )


def _as_symlink(octets: bytes) -> bytes:
    """The first entry of the directory: mode 0120777 instead of 0100644."""
    at = octets.index(b"PK\x01\x02") + 38
    return octets[:at] + (0o120777 << 16).to_bytes(4, "little") + octets[at + 4 :]


def _listings(made: Made) -> Iterator[Case]:
    good = _members(made.good)
    malformed = ("package.listing-malformed", "step.input-missing")

    def with_listing(change: Callable[[bytes], bytes]) -> bytes:
        return _zip({**good, LISTING: change(good[LISTING])})

    yield Case(
        "listing-missing",
        "no SHA256SUMS",
        "failed",
        ("package.container-rewritten", "package.member-missing", "step.input-missing"),
        _zip({name: one for name, one in good.items() if name != LISTING}),
    )
    yield Case(
        "listing-unsorted",
        "its lines in another order",
        "failed",
        malformed,
        with_listing(lambda one: b"".join(reversed(one.splitlines(keepends=True)))),
    )
    yield Case(
        "listing-crlf",
        "its lines end as on Windows",
        "failed",
        ("item.name-refused", "step.input-missing"),
        with_listing(lambda one: one.replace(b"\n", b"\r\n")),
    )
    yield Case(
        "listing-capitals",
        "its digits are capitals",
        "failed",
        malformed,
        with_listing(lambda one: one[:64].upper() + one[64:]),
    )
    yield Case(
        "member-missing",
        "VERIFY.md is missing",
        "failed",
        ("package.member-missing",),
        _zip({name: one for name, one in good.items() if name != "VERIFY.md"}),
    )
    yield Case(
        "member-extra",
        "README.txt was added",
        "failed",
        ("package.member-extra",),
        _zip({**good, "README.txt": b"read me"}),
    )
    yield Case(
        "member-extra-listed",
        "and listed",
        "failed",
        ("package.member-extra",),
        _zip(_relisted({**good, "README.txt": b"read me"})),
    )


def _papers(made: Made) -> Iterator[Case]:
    good, other = _members(made.good), _members(made.hash_only)
    stranger = _members(made.stranger)
    (folder,) = {name[: name.rindex("/") + 1] for name in good if name.endswith("/leaf")}
    (kept,) = {name[: name.rindex("/") + 1] for name in other if name.endswith("/leaf")}
    (foreign,) = {name[: name.rindex("/") + 1] for name in stranger if name.endswith("/leaf")}

    def changed(paper: str, octets: bytes) -> bytes:
        return _zip(_relisted({**good, folder + paper: octets}))

    def flipped(paper: str, at: int = -1) -> bytes:
        octets = good[folder + paper]
        return changed(paper, _flipped(octets, at % len(octets)))

    item, token = "items/photograph.txt", "tokens/photograph.txt.tsa"
    yield Case(
        "item-altered",
        "one bit of an original; the listing fits again",
        "failed",
        ("item.altered",),
        flipped(item),
    )
    yield Case(
        "item-altered-listed-not",
        "the same, and the listing as it was",
        "failed",
        ("item.altered", "package.member-altered"),
        _zip({**good, folder + item: _flipped(good[folder + item], 0)}),
    )
    yield Case(
        "token-altered",
        "the last bit of a token",
        "failed",
        ("cms.signature-invalid", "step.input-missing"),
        flipped(token),
    )
    yield Case(
        "tokens-swapped",
        "each original with the other's token",
        "failed",
        ("step.input-missing", "timestamp.imprint-differs"),
        _zip(
            _relisted(
                {
                    **good,
                    folder + token: good[folder + "tokens/合同.txt.tsa"],
                    folder + "tokens/合同.txt.tsa": good[folder + token],
                }
            )
        ),
    )
    yield Case(
        "manifest-altered",
        "the name that was claimed",
        "failed",
        ("leaf.differs", "step.input-missing", "timestamp.imprint-differs"),
        changed(
            "manifest.json",
            good[folder + "manifest.json"].replace("两份文件".encode(), "三份文件".encode()),
        ),
    )
    yield Case(
        "manifest-respelled",
        "a blank that changes nothing",
        "failed",
        ("canonical.other-spelling", "step.input-missing", "timestamp.imprint-differs"),
        changed("manifest.json", good[folder + "manifest.json"] + b"\n"),
    )
    yield Case(
        "seal-of-another",
        "the seal of another exhibit",
        "failed",
        ("leaf.differs", "step.input-missing", "timestamp.imprint-differs"),
        changed("seal.tsa", other[kept + "seal.tsa"]),
    )
    yield Case(
        "leaf-altered",
        "one bit of the leaf",
        "failed",
        ("leaf.differs", "step.input-missing"),
        flipped("leaf"),
    )
    yield Case(
        "entry-of-another",
        "the entry of another exhibit",
        "failed",
        ("step.input-missing", "tree.not-included"),
        changed("entry.tlog-proof", other[kept + "entry.tlog-proof"]),
    )
    yield Case(
        "certificate-says-more",
        "a title that no paper has",
        "failed",
        ("certificate.differs",),
        changed(
            "certificate.json",
            good[folder + "certificate.json"].replace("两份文件".encode(), "公证文件".encode()),
        ),
    )
    yield Case(
        "certificate-altered",
        "one bit of the PDF",
        "failed",
        ("cms.message-digest-differs",),
        flipped("certificate.pdf", 20),
    )
    yield Case(
        "certificate-appended",
        "a blank after the PDF",
        "failed",
        ("pdf.not-covered",),
        changed("certificate.pdf", good[folder + "certificate.pdf"] + b"\n"),
    )
    yield Case(
        "certificate-of-another",
        "the signed PDF of another exhibit",
        "failed",
        ("certificate.differs",),
        changed("certificate.pdf", other[kept + "certificate.pdf"]),
    )
    renamed = "exhibits/ex_00000000000000000000000000/"
    yield Case(
        "folder-renamed",
        "the exhibit's folder has another name",
        "failed",
        ("exhibit.folder-differs", "step.input-missing"),
        _zip(_relisted({name.replace(folder, renamed): one for name, one in good.items()})),
    )
    yield Case(
        "roots-of-a-stranger",
        "roots.pem replaced",
        "not-checked",
        ("chain.unknown-root",),
        _zip(_relisted({**good, "trust/roots.pem": stranger["trust/roots.pem"]})),
    )
    resealed = {
        "trust/roots.pem": stranger["trust/roots.pem"],
        folder + "seal.tsa": stranger[foreign + "seal.tsa"],
    }
    yield Case(
        "resealed",
        "roots and seal by a stranger, who sealed another manifest",
        "failed",
        (
            "chain.unknown-root",
            "leaf.differs",
            "step.input-missing",
            "timestamp.imprint-differs",
        ),
        _zip(_relisted({**good, **resealed})),
    )


def _two_seals(made: Made) -> Iterator[Case]:
    """Two tokens over one manifest: RSA or ECDSA, and SM2 with SM3."""
    dual = _members(made.dual)
    (sm2,) = (one for one in dual if one.endswith(SM2_SEAL))
    usual = sm2.replace(SM2_SEAL, "seal.tsa")
    yield Case("dual", "sealed twice, the second time under SM2", "passed", of="dual")
    yield Case(
        "dual-roots-of-one",
        "and its reader has the root of the first alone",
        "not-checked",
        ("chain.unknown-root",),
        of="dual",
        roots="dual-first-root.pem",
    )
    octets = dual[sm2]
    yield Case(
        "dual-altered",
        "the last bit of the SM2 token, which is of its signature",
        "failed",
        ("sm2.signature-invalid", "step.input-missing"),
        _zip(_relisted({**dual, sm2: _flipped(octets, len(octets) - 1)})),
    )
    yield Case(
        "dual-imprint-altered",
        "a bit of the SM3 imprint that it signs",
        "failed",
        ("step.input-missing", "timestamp.imprint-differs"),
        _zip(
            _relisted({**dual, sm2: _flipped(octets, octets.index(_sm3(dual[_manifest(sm2)])))})
        ),
    )
    yield Case(
        "dual-same-twice",
        "the first token again in the place of the second",
        "failed",
        ("certificate.differs",),
        _zip(_relisted({**dual, sm2: dual[usual]})),
    )
    yield Case(
        "dual-one-missing",
        "without the second, of which the certificate speaks: it cannot be derived again",
        "not-checked",
        ("step.input-missing",),
        _zip(_relisted({name: one for name, one in dual.items() if name != sm2})),
    )


def _manifest(seal: str) -> str:
    return seal.replace(SM2_SEAL, "manifest.json")


def _sm3(octets: bytes) -> bytes:
    hasher = hashes.Hash(hashes.SM3())
    hasher.update(octets)
    return hasher.finalize()


def first_root(made: Made) -> bytes:
    """Of the roots that the package with two seals brings, the one that did not sign in SM2."""
    pem = _members(made.dual)["trust/roots.pem"]
    end = b"-----END CERTIFICATE-----\n"
    return pem[: pem.index(end) + len(end)]


def pair_of(made: Made) -> Mapping[str, bytes]:
    """A file and its two tokens, each to be checked alone: the manifest and its seals."""
    dual = _members(made.dual)
    (sm2,) = (one for one in dual if one.endswith(SM2_SEAL))
    octets = dual[sm2]
    return {
        "manifest.json": dual[_manifest(sm2)],
        "seal.tsa": dual[sm2.replace(SM2_SEAL, "seal.tsa")],
        "seal.sm2.tsa": octets,
        "seal.sm2-altered.tsa": _flipped(octets, len(octets) - 1),
        "other.json": dual[_manifest(sm2)] + b"\n",
        "roots.pem": dual["trust/roots.pem"],
    }
