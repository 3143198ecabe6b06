"""The next key of the authority: asked for, certified, taken up while requests come in."""

import os
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from guzheng.fix import (
    RotatingAuthority,
    load,
    load_or_make,
    profiles,
    rotating_authority,
    rotation,
    stamp,
)
from guzheng.fix.clock import unverified
from guzheng.fix.journal import Unrecorded
from guzheng.fix.rotation import generations, install, issue, request, rotate, signing_at
from guzheng.proof import timestamp
from guzheng.proof.digest import sha256
from guzheng.refusals import Refused
from tests.stations.timestamps import FILE, NOON, openssl

DAY = timedelta(days=1)


class Hand:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def keys_dir(tmp_path: Path) -> Path:
    load_or_make(tmp_path / "keys", now=lambda: NOON, entropy=os.urandom)
    return tmp_path / "keys"


def root_of(keys_dir: Path) -> x509.Certificate:
    return x509.load_der_x509_certificate(load(keys_dir).root_der)


def authority_of(keys_dir: Path, clock: Hand) -> RotatingAuthority:
    return rotating_authority(
        keys_dir,
        now=clock,
        entropy=os.urandom,
        clock=unverified(clock),
        journal=Unrecorded(),
    )


def signer_of(answer: bytes) -> x509.Certificate:
    return timestamp.require_signature(timestamp.parse(answer))


def stamped(authority: RotatingAuthority, keys_dir: Path) -> bytes:
    return stamp(authority, sha256(FILE), nonce=1, roots=(root_of(keys_dir),))


def turn(keys_dir: Path, clock: Hand, **how: object) -> rotation.Generation:
    given: dict[str, object] = {"at": clock(), "begins_at": clock(), **how}
    return rotate(keys_dir, "p256", entropy=os.urandom, **given)  # type: ignore[arg-type]


def test_a_running_authority_takes_up_the_next_key_at_once(keys_dir: Path, clock: Hand) -> None:
    authority = authority_of(keys_dir, clock)
    first = signer_of(old := stamped(authority, keys_dir))
    made = turn(keys_dir, clock)
    second = signer_of(stamped(authority, keys_dir))
    assert (made.number, second) == (2, made.certificate)
    assert second != first
    assert second.subject == first.subject
    # The old token stands: its certificate came along, and the root is the same.
    token = timestamp.parse(old)
    timestamp.require_trusted(token, first, (root_of(keys_dir),))
    assert {one.stat().st_mode & 0o777 for one in made.folder.iterdir()} == {0o600}


def test_a_key_that_begins_later_signs_later(keys_dir: Path, clock: Hand) -> None:
    authority = authority_of(keys_dir, clock)
    made = turn(keys_dir, clock, begins_at=NOON + DAY)
    assert signer_of(stamped(authority, keys_dir)) != made.certificate
    clock.at = NOON + DAY - timedelta(milliseconds=1)
    assert signer_of(stamped(authority, keys_dir)) != made.certificate
    clock.at = NOON + DAY
    assert signer_of(stamped(authority, keys_dir)) == made.certificate
    assert signing_at(generations(keys_dir), NOON).number == 1


def test_no_request_is_lost_while_keys_turn(keys_dir: Path, clock: Hand) -> None:
    authority = authority_of(keys_dir, clock)
    over, signers, faults = threading.Event(), set(), []

    def ask() -> None:
        while not over.is_set():
            try:
                signers.add(signer_of(stamped(authority, keys_dir)).serial_number)
            except Exception as fault:  # noqa: BLE001 - any at all is what we look for
                faults.append(fault)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for one in threads:
        one.start()
    made = [turn(keys_dir, clock) for _ in range(4)]
    wanted = made[-1].certificate.serial_number
    while wanted not in signers and not faults:
        over.wait(0.01)
    over.set()
    for one in threads:
        one.join()
    assert faults == []
    assert [one.number for one in generations(keys_dir)] == [1, 2, 3, 4, 5]


def test_the_root_may_be_offline(keys_dir: Path, tmp_path: Path, clock: Hand) -> None:
    vault = tmp_path / "vault"
    vault.mkdir(mode=0o700)
    (vault / "authority").mkdir(mode=0o700)
    for name in ("root.key", "root.pem"):
        copy = vault / "authority" / name
        copy.write_bytes((keys_dir / "authority" / name).read_bytes())
        copy.chmod(0o600)
    (keys_dir / "authority" / "root.key").unlink()
    with pytest.raises(Refused) as refusal:
        turn(keys_dir, clock)
    assert refusal.value.code == "fix.root-offline"
    asked = request(keys_dir, "p256", entropy=os.urandom)
    assert request(keys_dir, "p256", entropy=os.urandom) == asked
    (tmp_path / "csr").write_bytes(asked)
    verified = openssl("req", "-in", "csr", "-verify", "-noout", cwd=tmp_path)
    assert "verify OK" in verified.stderr + verified.stdout
    pem = issue(vault, asked, at=NOON, entropy=os.urandom)
    made = install(keys_dir, pem, begins_at=NOON, entropy=os.urandom)
    assert signer_of(stamped(authority_of(keys_dir, clock), keys_dir)) == made.certificate
    assert not (keys_dir / "tsa" / "request").exists()


def test_rsa_3072_may_follow_p256_and_the_old_key_may_be_destroyed(
    keys_dir: Path, clock: Hand
) -> None:
    made = rotate(keys_dir, "rsa3072", at=NOON, begins_at=NOON, entropy=os.urandom)
    key = made.certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 3072
    (keys_dir / "authority" / "tsa.key").unlink()
    assert load(keys_dir).tsa_key is None
    assert [one.place for one in generations(keys_dir)] == ["gone", "file"]
    assert signer_of(stamped(authority_of(keys_dir, clock), keys_dir)) == made.certificate


def test_a_key_has_one_certificate(keys_dir: Path, clock: Hand) -> None:
    """A second certificate for the request's key is out, and so is a key that is known."""
    asked = request(keys_dir, "p256", entropy=os.urandom)
    pems = [issue(keys_dir, asked, at=NOON, entropy=os.urandom) for _ in range(2)]
    install(keys_dir, pems[0], begins_at=NOON, entropy=os.urandom)
    with pytest.raises(Refused) as refusal:
        install(keys_dir, pems[1], begins_at=NOON, entropy=os.urandom)
    assert refusal.value.code == "fix.certificate-refused"
    # As if the process had died between the two steps of the installation.
    again = keys_dir / "tsa" / "request"
    again.mkdir(mode=0o700)
    for name, octets in (
        ("tsa.csr", asked),
        ("tsa.key", (keys_dir / "tsa/0002/tsa.key").read_bytes()),
    ):
        (again / name).write_bytes(octets)
        (again / name).chmod(0o600)
    assert request(keys_dir, "p256", entropy=os.urandom) != asked
    (again / "tsa.key").write_bytes((keys_dir / "authority/signer.key").read_bytes())
    signer = (keys_dir / "authority/signer.pem").read_bytes()
    with pytest.raises(Refused) as refusal:
        install(keys_dir, signer, begins_at=NOON, entropy=os.urandom)
    assert refusal.value.code == "fix.key-certified-before"


def test_a_certificate_must_fit_the_waiting_key(keys_dir: Path, tmp_path: Path) -> None:
    def refused(pem: bytes, begins_at: datetime = NOON) -> str:
        with pytest.raises(Refused) as refusal:
            install(keys_dir, pem, begins_at=begins_at, entropy=os.urandom)
        return refusal.value.code

    other = tmp_path / "other"
    load_or_make(other, now=lambda: NOON, entropy=os.urandom)
    asked = request(keys_dir, "p256", entropy=os.urandom)
    foreign = request(other, "p256", entropy=os.urandom)

    def issued(where: Path, request_pem: bytes) -> bytes:
        return issue(where, request_pem, at=NOON, entropy=os.urandom)

    assert refused(b"no certificate") == "fix.certificate-refused"
    assert refused(issued(other, asked)) == "fix.certificate-refused"
    assert refused(issued(keys_dir, foreign)) == "fix.keys-damaged"
    assert refused(issued(keys_dir, asked), NOON - DAY) == "fix.certificate-refused"
    assert refused(issued(keys_dir, asked), NOON + 6 * 366 * DAY) == "fix.certificate-refused"
    for junk in (b"", asked.replace(b"REQUEST", b"REQUESTS")):
        with pytest.raises(Refused):
            issued(keys_dir, junk)
    assert len(generations(keys_dir)) == 1


def test_a_generation_that_is_not_the_roots_is_refused(keys_dir: Path, clock: Hand) -> None:
    made = turn(keys_dir, clock)
    key = ec.generate_private_key(ec.SECP256R1())
    strange = profiles.next_tsa(
        key, root_of(keys_dir), key.public_key(), at=NOON, entropy=os.urandom
    )
    (made.folder / "tsa.pem").write_bytes(strange.public_bytes(Encoding.PEM))
    with pytest.raises(Refused) as refusal:
        authority_of(keys_dir, clock)
    assert refusal.value.code == "fix.keys-damaged"


def test_no_certificate_outlives_the_root(keys_dir: Path) -> None:
    root = root_of(keys_dir)
    late = root.not_valid_after_utc - DAY
    asked = request(keys_dir, "p256", entropy=os.urandom)
    pem = issue(keys_dir, asked, at=late, entropy=os.urandom)
    found = x509.load_pem_x509_certificate(pem)
    assert found.not_valid_after_utc == root.not_valid_after_utc
