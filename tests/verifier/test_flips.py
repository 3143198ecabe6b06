"""Every byte of a package: flipped, and the report is another and does not pass.

Nothing is stubbed: each time the whole zip is read and judged, which takes 10 ms. Here the
small package of the vectors is flipped at every sixteenth octet of the container and the
listing, which no digest covers, and at every fiftieth of the members, which the listing covers,
too; the real one here and there. Both at every octet in tests/soak, and each paper alone at
every octet in tests/proof.
"""

import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from guzheng.proof import package
from guzheng.proof.report import Outcome
from tests.verifier.packed import Packed, judged

SMALL = Path(__file__).parents[1] / "vectors" / "package" / "good.zip"
PARTS = 2
OFTEN, SELDOM = 16, 50  # nothing in common with the nine patterns: all come
STRIDE = 4001  # a prime, so that no column of a format is left out

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def unseen(octets: bytes, places: Iterable[int], room: Path) -> list[int]:
    """The places at which a flip changed nothing, or did not keep the package from passing."""
    path = room / "package.zip"
    path.write_bytes(octets)
    good = judged(path).encode()
    assert b'"outcome":"passed"' in good
    found = []
    with path.open("r+b", buffering=0) as stream:
        for at in places:
            stream.seek(at)
            stream.write(bytes([octets[at] ^ _bits(at)]))
            verdict = judged(path)
            if verdict.report.outcome is Outcome.PASSED or verdict.encode() == good:
                found.append(at)
            stream.seek(at)
            stream.write(octets[at : at + 1])
    return found


def _bits(at: int) -> int:
    """Another pattern at each place: single bits, the case of letters, all of them."""
    return (0x01, 0x20, 0x80, 0xFF, 0x02, 0x40, 0x04, 0x10, 0x08)[at % 9]


def _places(octets: bytes) -> list[int]:
    seldom = set[int]()
    with zipfile.ZipFile(SMALL) as archive:
        for one in archive.infolist():
            if one.filename != package.LISTING:
                start = octets.index(archive.read(one), one.header_offset)
                seldom.update(range(start, start + one.file_size))
    return [at for at in range(len(octets)) if at % (SELDOM if at in seldom else OFTEN) == 0]


@pytest.mark.parametrize("part", range(PARTS))
def test_bytes_of_a_small_package(part: int, tmp_path: Path) -> None:
    octets = SMALL.read_bytes()
    assert unseen(octets, _places(octets)[part::PARTS], tmp_path) == []


def test_bytes_of_a_real_package(packed: Packed, tmp_path: Path) -> None:
    assert unseen(packed.octets, range(0, len(packed.octets), STRIDE), tmp_path) == []
