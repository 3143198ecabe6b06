"""The image of a disc: the same octets each time, names in Chinese whole, read by others."""

import hashlib
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pycdlib
import pytest

from guzheng.proof.digest import Digest
from guzheng.prove.disc import Made, digests_in, write_iso
from guzheng.refusals import Refused, Unavailable

AT = datetime(2026, 11, 21, 18, 44, 12, tzinfo=UTC)
FILES = {
    "证据目录.pdf": b"%PDF",
    "SHA256SUMS": b"",
    "exhibits/ex_1/items/XX商家_虚假宣传_20261121.mp4": b"film" * 5000,
    "exhibits/ex_1/items/照片 (1).jpg": b"picture",
    "exhibits/ex_1/items/" + "长" * 20 + ".txt": b"long",
    "exhibits/ex_1/manifest.json": b"{}",
}
XORRISO = shutil.which("xorriso")
MAKERS = [
    pytest.param(None, id="pycdlib"),
    pytest.param(XORRISO, id="xorriso", marks=pytest.mark.oracle("xorriso")),
]


def folder_at(place: Path, *, backwards: bool = False) -> tuple[Path, dict[str, Digest]]:
    """The same files, written in one order or the other."""
    for name in sorted(FILES, reverse=backwards):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(FILES[name])
    digests = {
        name: Digest("sha256", hashlib.sha256(octets).digest())
        for name, octets in FILES.items()
    }
    return place, digests


def made(place: Path, maker: str | None, *, backwards: bool = False) -> Made:
    folder, digests = folder_at(place / "folder", backwards=backwards)
    return write_iso(
        folder, place / "disc.iso", digests, volume="GUZHENG_A", dated_at=AT, xorriso=maker
    )


def joliet_names(image: Path) -> set[str]:
    iso = pycdlib.PyCdlib()
    iso.open(str(image))
    try:
        return {
            f"{folder.rstrip('/')}/{name}".lstrip("/")
            for folder, _, files in iso.walk(joliet_path="/")
            for name in files
        }
    finally:
        iso.close()


@pytest.mark.parametrize("maker", MAKERS)
def test_two_images_of_one_content_are_one(tmp_path: Path, maker: str | None) -> None:
    one = made(tmp_path / "one", maker)
    later = tmp_path / "two"
    folder, _ = folder_at(later / "folder", backwards=True)
    for number, path in enumerate(folder.rglob("*")):
        os.utime(path, (10**9 + number, 10**9 + number))
    other = made(later, maker, backwards=True)
    assert one.path.read_bytes() == other.path.read_bytes()
    assert one.sha256.value == hashlib.sha256(one.path.read_bytes()).digest()


def test_the_zone_of_the_machine_changes_nothing(tmp_path: Path) -> None:
    """pycdlib writes local times with their offset; nothing of that is left."""
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, '.')\n"
        "from tests.stations.test_prove_disc import made\n"
        "made(Path(sys.argv[1]), None)\n"
    )
    images = []
    for zone in ("Asia/Shanghai", "America/St_Johns"):
        place = tmp_path / zone.replace("/", "-")
        place.mkdir()
        subprocess.run(
            [sys.executable, "-c", program, str(place)],
            check=True,
            env={**os.environ, "TZ": zone},
            cwd=Path(__file__).parents[2],
        )
        images.append((place / "disc.iso").read_bytes())
    assert images[0] == images[1]


@pytest.mark.parametrize("maker", MAKERS)
def test_names_and_octets_are_whole(tmp_path: Path, maker: str | None) -> None:
    image = made(tmp_path, maker).path
    found = digests_in(image)
    assert {name: one.value for name, one in found.items()} == {
        name: hashlib.sha256(octets).digest() for name, octets in FILES.items()
    }


@pytest.mark.parametrize("maker", MAKERS)
def test_windows_reads_the_same_names(tmp_path: Path, maker: str | None) -> None:
    """Joliet's tree, as pycdlib reads it."""
    assert joliet_names(made(tmp_path, maker).path) == set(FILES)


@pytest.mark.oracle("xorriso")
@pytest.mark.parametrize("maker", MAKERS)
def test_xorriso_reads_it(tmp_path: Path, maker: str | None) -> None:
    image = made(tmp_path, maker).path
    out = tmp_path / "read"
    subprocess.run(
        ["xorriso", "-osirrox", "on", "-indev", f"stdio:{image}", "-extract", "/", str(out)],
        check=True,
        capture_output=True,
    )
    read = {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
    }
    assert read == FILES


@pytest.mark.oracle("isoinfo")
@pytest.mark.parametrize("maker", MAKERS)
def test_isoinfo_lists_it(tmp_path: Path, maker: str | None) -> None:
    image = made(tmp_path, maker).path
    done = subprocess.run(
        ["isoinfo", "-R", "-f", "-i", str(image)], check=True, capture_output=True
    )
    listed = done.stdout.decode().splitlines()
    assert {f"/{name}" for name in FILES} <= set(listed)


def test_an_image_that_was_altered_is_seen(tmp_path: Path) -> None:
    folder, digests = folder_at(tmp_path / "folder")
    wrong = {**digests, "SHA256SUMS": Digest("sha256", bytes(32))}
    with pytest.raises(Unavailable, match=r"package\.disc-differs"):
        write_iso(folder, tmp_path / "x.iso", wrong, volume="G", dated_at=AT, xorriso=None)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.iso").write_bytes(bytes(4096))
    with pytest.raises(Refused, match=r"package\.disc-unreadable"):
        digests_in(tmp_path / "x.iso")


@pytest.mark.oracle("xorriso")
def test_xorriso_writes_longer_names_for_windows(tmp_path: Path) -> None:
    name = "长" * 50 + "n" * 49 + ".txt"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / name).write_bytes(b"x")
    wanted = {name: Digest("sha256", hashlib.sha256(b"x").digest())}
    image = tmp_path / "x.iso"
    write_iso(tmp_path / "folder", image, wanted, volume="G", dated_at=AT, xorriso=XORRISO)
    assert joliet_names(image) == {name}


@pytest.mark.oracle("xorriso")
def test_what_xorriso_cannot_do_is_said(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(Unavailable, match=r"package\.disc-failed"):
        write_iso(missing, tmp_path / "x.iso", {}, volume="G", dated_at=AT, xorriso=XORRISO)
