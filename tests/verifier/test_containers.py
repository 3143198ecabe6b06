"""Hostile containers: judged within bounds, refused by name, and never a traceback."""

import io
import os
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guzheng.proof import package
from guzheng.proof.report import Outcome
from tests.strategies import WHOLE, altered
from tests.verifier.packed import codes, judged, listed, members_of, unpacked, zipped

SMALL = (Path(__file__).parents[1] / "vectors" / "package" / "good.zip").read_bytes()
MEMBERS = members_of(SMALL)
FOLDER = next(name.removesuffix("leaf") for name in MEMBERS if name.endswith("/leaf"))

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def codes_of(octets: bytes, room: Path) -> set[str]:
    path = room / "hostile.zip"
    path.write_bytes(octets)
    verdict = judged(path)
    assert verdict.report.outcome is not Outcome.PASSED
    return codes(verdict)


def patched(signature: bytes, offset: int, field: bytes, *, last: bool = False) -> bytes:
    """The small package with one field of one header changed."""
    at = (SMALL.rindex if last else SMALL.index)(signature) + offset
    return SMALL[:at] + field + SMALL[at + len(field) :]


LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
MALFORMED, REWRITTEN = "package.container-malformed", "package.container-rewritten"


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (patched(CENTRAL, 8, b"\x01\x08"), MALFORMED),  # encrypted
        (patched(CENTRAL, 10, b"\x63\x00"), MALFORMED),  # AES
        (patched(CENTRAL, 10, b"\x0e\x00"), MALFORMED),  # LZMA, which may want any memory
        (patched(CENTRAL, 6, b"\xff\xff"), MALFORMED),  # a version nobody has
        (patched(CENTRAL, 16, bytes(4)), REWRITTEN),  # wrong CRC
        (patched(CENTRAL, 20, b"\x01\x00\x00\x00"), MALFORMED),  # sizes that disagree
        (patched(CENTRAL, 20, b"\xfe\xff\xff\xff\xfe\xff\xff\xff"), "package.zip-bomb"),
        (patched(CENTRAL, 42, b"\xf0\xff\xff\xff"), MALFORMED),  # lies beyond the end
        (patched(CENTRAL, 28, b"\xff\xff"), MALFORMED),  # a name longer than the file
        (patched(END, 10, b"\x00\x00"), REWRITTEN),  # states no members
        (patched(END, 12, b"\xff\xff\xff\xff\xff\xff\xff\xff"), MALFORMED),  # zip64, and none
        (patched(LOCAL, 0, b"PK\x00\x00"), REWRITTEN),
        (patched(LOCAL, 26, b"\xff\xff"), "package.member-altered"),  # a local name of 65,535
        (SMALL + SMALL, REWRITTEN),
        (SMALL + b"\0", REWRITTEN),
        (SMALL[: SMALL.index(CENTRAL)], MALFORMED),
        (END + bytes(18), "package.member-missing"),
        (b"PK", MALFORMED),
        (LOCAL, MALFORMED),
    ],
)
def test_headers_that_lie(octets: bytes, code: str, tmp_path: Path) -> None:
    assert code in codes_of(octets, tmp_path)


def end64(offset: int, size: int = 46, count: int = 1) -> bytes:
    """The end of a zip64 file, and what points to it."""
    record = struct.pack(
        "<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, size, offset
    )
    locator = struct.pack("<IIQI", 0x07064B50, 0, (offset + size) % 2**64, 1)
    short = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    return record + locator + short


def central64(name: bytes, size: int, offset: int) -> bytes:
    extra = struct.pack("<HHQQQ", 1, 24, size, size, offset)
    return struct.pack(
        "<IHHHHHHIIIHHHHHII", 0x02014B50, 0x32D, 45, 0x800, 0, 0, 0x21, 0,
        2**32 - 1, 2**32 - 1, len(name), len(extra), 0, 0, 0, 0o100644 << 16, 2**32 - 1,
    ) + name + extra  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("offset", [0, 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
def test_sizes_of_zip64(size: int, offset: int, tmp_path: Path) -> None:
    entry = central64(b"a", size, offset)
    codes_of(entry + end64(0, len(entry)), tmp_path)
    codes_of(entry + end64(offset, size), tmp_path)


def packed_by(method: int, members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method, compresslevel=9) as archive:
        for name, octets in members.items():
            archive.writestr(name, octets)
    return out.getvalue()


def peak_of(action: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("zeros", [1000, 50_000_000])
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_takes_no_memory(method: int, zeros: int, tmp_path: Path) -> None:
    octets = packed_by(method, {"VERIFY.md": bytes(zeros)})
    found: set[str] = set()
    assert peak_of(lambda: found.update(codes_of(octets, tmp_path))) < 8_000_000
    if zeros > 1000:
        assert found == {"package.zip-bomb"}
    elif method != zipfile.ZIP_DEFLATED:
        assert found == {MALFORMED}


def test_a_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    """States ten octets, unpacks to 50 MB: no more than ten are asked for."""
    octets = packed_by(zipfile.ZIP_DEFLATED, {"exhibits/x/items/a": bytes(50_000_000)})
    for signature in (LOCAL, CENTRAL):
        at = octets.index(signature) + (22 if signature == LOCAL else 24)
        octets = octets[:at] + (10).to_bytes(4, "little") + octets[at + 4 :]
    assert peak_of(lambda: codes_of(octets, tmp_path)) < 8_000_000
    assert codes_of(octets, tmp_path) == {"package.member-unreadable"}


def test_papers_are_bounded_in_sum(tmp_path: Path) -> None:
    """Each within its bound, and together more than memory should hold."""
    path = tmp_path / "large"
    path.mkdir()
    for number in range(package.MAX_PAPERS // package.MAX_PAPER + 1):
        with (path / f"paper {number}").open("wb") as stream:
            stream.truncate(package.MAX_PAPER)  # sparse: nothing is written
    verdict = judged(path)
    assert codes(verdict) == {"package.paper-too-large"}


def test_a_hundred_thousand_members(tmp_path: Path) -> None:
    octets = zipped({f"m{one:06}": b"" for one in range(100_000)})
    assert codes_of(octets, tmp_path) == {"package.too-many-members"}


def test_members_that_lie_on_each_other(tmp_path: Path) -> None:
    """Every entry points at the same octets: small file, much to read; bounded all the same."""
    octets = bytearray(
        zipped({f"exhibits/x/items/{one:04}": b"x" * 1000 for one in range(500)})
    )
    end = octets.index(CENTRAL)
    while (end := octets.find(CENTRAL, end)) >= 0:
        octets[end + 42 : end + 46] = bytes(4)
        end += 4
    assert REWRITTEN in codes_of(bytes(octets), tmp_path)


@given(st.data())
@settings(WHOLE, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_packages_near_a_good_one(tmp_path: Path, data: st.DataObject) -> None:
    octets = data.draw(altered(SMALL))
    if octets != SMALL:
        codes_of(octets, tmp_path)


@given(st.data())
@settings(WHOLE, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_directories_near_a_good_one(tmp_path: Path, data: st.DataObject) -> None:
    """Only the directory altered, where a reader of zips believes everything."""
    at = SMALL.index(CENTRAL)
    directory = data.draw(altered(SMALL[at:]))
    if directory != SMALL[at:]:
        codes_of(SMALL[:at] + directory, tmp_path)


@given(st.binary())
@settings(WHOLE, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_octets(tmp_path: Path, octets: bytes) -> None:
    codes_of(octets, tmp_path)
    codes_of(b"PK\x03\x04" + octets + SMALL[SMALL.index(END) :], tmp_path)


# ---- folders


def test_the_folder_is_the_same_package(tmp_path: Path) -> None:
    verdict = judged(unpacked(MEMBERS, tmp_path / "folder"))
    assert verdict.report.outcome is Outcome.PASSED


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_a_member_altered_missing_or_a_link(name: str, tmp_path: Path) -> None:
    folder = unpacked(MEMBERS, tmp_path / "folder")
    path = folder / name
    octets = path.read_bytes()
    path.write_bytes(octets[:-1] + bytes([octets[-1] ^ 1]))
    altered_report = judged(folder)
    assert altered_report.report.outcome is Outcome.FAILED
    path.unlink()
    missing = judged(folder)
    assert missing.report.outcome is Outcome.FAILED
    assert name in {one.expected for one in missing.report.findings}
    (tmp_path / "elsewhere").write_bytes(octets)
    path.symlink_to(tmp_path / "elsewhere")
    assert codes(judged(folder)) == {"package.member-unreadable"}


@pytest.mark.parametrize("name", ["a", "trust/a", f"{FOLDER}a", f"{FOLDER}items/a"])
def test_a_member_too_many_is_named(name: str, tmp_path: Path) -> None:
    folder = unpacked({**MEMBERS, name: b"x"}, tmp_path / "folder")
    verdict = judged(folder)
    assert "package.member-extra" in codes(verdict)
    assert any(one.found.endswith(name.split("/")[-1]) for one in verdict.report.findings)


def test_a_folder_linked_in_is_not_entered(tmp_path: Path) -> None:
    folder = unpacked(MEMBERS, tmp_path / "folder")
    (folder / "trust").rename(tmp_path / "trust")
    (folder / "trust").symlink_to(tmp_path / "trust")
    assert codes(judged(folder)) == {"package.member-unreadable"}


def test_pipes_and_sockets_are_no_members(tmp_path: Path) -> None:
    folder = unpacked(MEMBERS, tmp_path / "folder")
    os.mkfifo(folder / "pipe")
    assert stat.S_ISFIFO((folder / "pipe").lstat().st_mode)
    assert codes(judged(folder)) == {"package.member-unreadable"}


@pytest.mark.parametrize(
    "name", ["a:b", "con", "a\u202eb", "a\nb", b"\xff\xfe".decode("utf-8", "surrogateescape")]
)
def test_names_that_deceive_are_refused(name: str, tmp_path: Path) -> None:
    folder = unpacked(MEMBERS, tmp_path / "folder")
    (folder / name).write_bytes(b"x")
    verdict = judged(folder)
    assert codes(verdict) == {"item.name-refused"}
    assert verdict.encode().decode().isprintable()


def test_an_exhibits_folder_alone_brings_no_trust(tmp_path: Path) -> None:
    own = {
        name.removeprefix(FOLDER): one
        for name, one in MEMBERS.items()
        if name.startswith(FOLDER)
    }
    folder = unpacked({**own, "order.json": b"{}"}, tmp_path / "folder")
    verdict = judged(folder)
    assert verdict.report.outcome is Outcome.NOT_CHECKED
    assert {"trust.no-roots", "trust.no-ledger"} <= codes(verdict)
    roots, policy = (tmp_path / one for one in ("roots.pem", "ledger.policy"))
    roots.write_bytes(MEMBERS[package.ROOTS])
    policy.write_bytes(MEMBERS[package.LEDGER_POLICY])
    believed = judged(folder, "--roots", roots, "--policy", policy, "--sm3")
    assert believed.report.outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("name", "octets"),
    [
        (package.ROOTS, b"none\n"),
        (package.ROOTS, b""),
        (package.LEDGER_POLICY, b"nobody\n"),
        (package.LEDGER_POLICY, b"\xff"),
        (package.LEDGER_POLICY, b"log not-a-key\nquorum none\n"),
    ],
)
def test_trust_that_cannot_be_read_is_named_and_the_rest_is_judged(
    name: str, octets: bytes, tmp_path: Path
) -> None:
    (tmp_path / "p.zip").write_bytes(zipped(listed({**MEMBERS, name: octets})))
    verdict = judged(tmp_path / "p.zip")
    assert verdict.report.outcome is Outcome.FAILED
    passed = {one.step for one in verdict.report.of(Outcome.PASSED)}
    assert {"item.digest", "leaf", "seal.imprint"} <= passed
