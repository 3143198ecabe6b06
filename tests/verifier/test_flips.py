"""Every byte of a package: flipped, and the report is another and does not pass.

Nothing is stubbed: each time the whole zip is read and judged. Here the small package of the
vectors is flipped at each octet but those of the certificate (which tests/proof/test_pdf.py
flips one by one, alone), and the real one here and there; all of both in tests/soak.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest

from guzheng.proof.report import Outcome
from tests.verifier.packed import Packed, judged

SMALL = Path(__file__).parents[1] / "vectors" / "package" / "good.zip"
PARTS = 8
STRIDE = 1009  # a prime, so that no column of a format is left out

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


def _but_some_of_the_certificate(octets: bytes) -> list[int]:
    start = octets.index(b"%PDF")
    end = octets.index(b"%%EOF", octets.index(b"/ByteRange"))
    return [at for at in range(len(octets)) if not start <= at < end or at % 17 == 0]


@pytest.mark.parametrize("part", range(PARTS))
def test_every_byte_of_a_small_package(part: int, tmp_path: Path) -> None:
    octets = SMALL.read_bytes()
    assert unseen(octets, _but_some_of_the_certificate(octets)[part::PARTS], tmp_path) == []


def test_bytes_of_a_real_package(packed: Packed, tmp_path: Path) -> None:
    assert unseen(packed.octets, range(0, len(packed.octets), STRIDE), tmp_path) == []
