"""The form of a package: its listing, the names of its members, and the octets of its zip."""

import io
import zipfile
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guzheng.proof import package
from guzheng.proof.digest import Digest, sha256
from guzheng.proof.errors import Malformed, ProofError
from guzheng.proof.manifest import Manifest
from guzheng.proof.package import ZipMember
from tests.strategies import LISTINGS, NAMES, altered, manifests

ONE = sha256(b"one")
LISTING = package.encode_listing({"a": ONE, "b/c": sha256(b"two"), "证书.pdf": ONE})


@given(LISTINGS)
def test_parse_undoes_encode(listing: dict[str, Digest]) -> None:
    assert package.parse_listing(package.encode_listing(listing)) == listing


@given(st.binary() | altered(LISTING))
@example(LISTING + b"\n")
@example(LISTING[:-1])
@example(LISTING.replace(b"\n", b"\r\n"))
@example(LISTING.replace(b"  ", b" *"))
@example(LISTING.upper())
@example(LISTING + LISTING)
@example(b"\xef\xbb\xbf" + LISTING)
@example(b"\\" + LISTING)
@example(f"{ONE.hex}  a\u0085b\n".encode())
@example(f"{ONE.hex}  ../a\n".encode())
@example(f"{ONE.hex}  /a\n".encode())
@example(f"{ONE.hex}  a//b\n".encode())
def test_any_other_spelling_is_refused(octets: bytes) -> None:
    try:
        listing = package.parse_listing(octets)
    except ProofError:
        return
    assert package.encode_listing(listing) == octets


@given(st.lists(NAMES, min_size=1, max_size=5))
def test_a_path_of_safe_names_is_safe(parts: list[str]) -> None:
    assert package.require_member_name("/".join(parts)) == "/".join(parts)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        "../a",
        "a/../b",
        "./a",
        "a/.",
        "a\\b",
        "c:/a",
        "a\0",
        "nul/a",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(Malformed) as refusal:
        package.require_member_name(name)
    assert refusal.value.code == "item.name-refused"


@given(manifests())
def test_the_papers_of_an_exhibit(manifest: Manifest) -> None:
    papers = package.papers_of(manifest)
    assert len(set(papers)) == len(papers)
    originals = [item for item in manifest.items if item.role == "original"]
    assert sum(one.startswith(package.TOKENS) for one in papers) == len(originals)
    kept = [one for one in papers if not package.is_paper(one)]
    assert len(kept) == (0 if manifest.kind == "hash-only" else len(manifest.items))
    assert (package.CAPTURE in papers) == (manifest.kind == "web")


def test_exhibits_are_found_by_their_folders() -> None:
    one, two = ("ex_" + letter * 26 for letter in "01")
    names = [f"exhibits/{two}/leaf", f"exhibits/{one}/items/a", "exhibits/x/leaf", "leaf"]
    assert package.exhibits_in([*names, f"exhibits/{one}", f"x/exhibits/{one}/leaf"]) == (
        one,
        two,
    )


# ---- the zip


def zipped(members: dict[str, bytes]) -> bytes:
    forms = [ZipMember(name, len(one), zlib.crc32(one)) for name, one in members.items()]
    parts = [
        package.zip_local_header(form) + one
        for form, one in zip(forms, members.values(), strict=True)
    ]
    return b"".join(parts) + package.zip_directory(forms)


@given(st.dictionaries(NAMES, st.binary(max_size=40), max_size=6))
def test_any_unzip_reads_our_zip(members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(zipped(members))) as archive:
        assert archive.testzip() is None
        assert {one.filename: archive.read(one) for one in archive.infolist()} == members
        for entry in archive.infolist():
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert entry.external_attr >> 16 == 0o100644
            assert entry.compress_type == zipfile.ZIP_STORED


def test_large_members_are_told_in_zip64() -> None:
    """Read back from headers alone: nobody wants to write 5 GB in a test."""
    large = ZipMember("large", 5 * 2**30, 7)
    header = package.zip_local_header(large)
    assert len(header) == 30 + len("large") + 20
    assert header[18:26] == b"\xff" * 8
    after = ZipMember("after", 1, 9)
    directory = package.zip_directory([large, after])
    with zipfile.ZipFile(_Sparse(len(header) + large.size + 36, directory)) as archive:
        sizes = {one.filename: one.file_size for one in archive.infolist()}
        assert sizes == {"large": large.size, "after": 1}
        assert archive.infolist()[1].header_offset == len(header) + large.size


def test_many_members_are_told_in_zip64() -> None:
    members = [ZipMember(f"{one:06}", 0, 0) for one in range(70_000)]
    octets = b"".join(map(package.zip_local_header, members)) + package.zip_directory(members)
    with zipfile.ZipFile(io.BytesIO(octets)) as archive:
        assert len(archive.infolist()) == 70_000


class _Sparse(io.RawIOBase):
    """Zeros, then these octets."""

    def __init__(self, zeros: int, octets: bytes) -> None:
        self._zeros, self._octets, self._at = zeros, octets, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        start = {0: 0, 1: self._at, 2: self._zeros + len(self._octets)}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        assert self._at >= self._zeros, "only the directory is looked at"
        start = self._at - self._zeros
        octets = self._octets[start:] if size < 0 else self._octets[start : start + size]
        self._at += len(octets)
        return octets
