"""Every byte of a real package and of every token, flipped: about a quarter of an hour.

Run by `make soak`; the same properties as in tests/verifier/test_flips.py and
tests/proof/test_timestamp.py, with nothing left out.
"""

from pathlib import Path

import pytest

from guzheng.proof.report import Outcome
from tests.proof.test_timestamp import KINDS, excepted
from tests.proof.tokens import pair
from tests.verifier.packed import listed, pack, zipped
from tests.verifier.test_flips import SMALL, unseen

PARTS = 24
pytestmark = [
    pytest.mark.soak,
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """One exhibit with its certificate as the press prints it: 160 kB."""
    packed = pack(tmp_path_factory.mktemp("real"))
    other = f"exhibits/{packed.hash_only}/"
    members = {name: one for name, one in packed.members.items() if not name.startswith(other)}
    return zipped(listed(members))


@pytest.mark.parametrize("part", range(PARTS))
def test_every_byte_of_a_real_package(real: bytes, part: int, tmp_path: Path) -> None:
    assert unseen(real, range(part, len(real), PARTS), tmp_path) == []


@pytest.mark.parametrize("part", range(PARTS))
def test_every_byte_of_the_small_one(part: int, tmp_path: Path) -> None:
    octets = SMALL.read_bytes()
    assert unseen(octets, range(part, len(octets), PARTS), tmp_path) == []


@pytest.mark.parametrize("name", KINDS)
def test_every_pattern_at_every_byte_of_a_token(name: str) -> None:
    """All 255 other values of each octet."""
    good = pair(name)
    passed = set()
    for at in range(len(good.token)):
        for bits in range(1, 256):
            token = bytearray(good.token)
            token[at] ^= bits
            if good.report(bytes(token)).outcome is Outcome.PASSED:
                passed.add((at, bits))
    assert passed <= excepted(good) | _same_algorithm(good.token)


def _same_algorithm(token: bytes) -> set[tuple[int, int]]:
    """rsaEncryption and sha256WithRSAEncryption (or the like) name one algorithm of a signer,
    and RFC 5754 §3.2 allows both; the field is signed by nobody.
    """
    found = set()
    for last, other in ((0x01, 0x0B), (0x0B, 0x01), (0x01, 0x0C), (0x01, 0x0D)):
        oid = bytes.fromhex("06092a864886f70d0101") + bytes([last])
        at = token.rfind(oid)
        if at >= 0:
            found.add((at + len(oid) - 1, last ^ other))
    return found
