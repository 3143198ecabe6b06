"""Keys in a device (SoftHSM2): tokens by them, a session lost, a device away, a wrong PIN.

A module reads its configuration once in a process, so a device is asked from a process of its
own: it prints what happened, and the test reads it.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import softhsm

pytestmark = pytest.mark.skipif(bool(softhsm.MISSING), reason=softhsm.MISSING)

_HEAD = """
import os, sys, threading
from datetime import UTC, datetime
from dataclasses import replace
from pathlib import Path
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from guzheng.fix import LocalAuthority, profiles, random_serials, stamp
from guzheng.fix.clock import unverified
from guzheng.fix.pkcs11_keys import Device, Place
from guzheng.proof.digest import sha256
from guzheng.refusals import Problem
from tests.softhsm import MODULE, PIN, TOKEN

FILE, NOON = b"one photograph", datetime(2026, 11, 21, 12, tzinfo=UTC)
device = Device(Place(MODULE, TOKEN, PIN))
root_key = ec.generate_private_key(ec.SECP256R1())

def authority_of(label):
    key = device.signing_key(label)
    made = profiles.certificates_of(
        root_key, tsa=load_der_public_key(key.public_key_der), signer=root_key.public_key(),
        operator="x", at=NOON, entropy=os.urandom)
    tsa = made["tsa"].public_bytes(Encoding.DER)
    serial = random_serials(os.urandom)
    return LocalAuthority(key, tsa, clock=unverified(lambda: NOON), serial=serial), made["root"]

def stamped(authority, root):
    stamp(authority, sha256(FILE), nonce=1, roots=(root,))
    return "stamped"

def said(ask):
    try:
        return ask()
    except Problem as problem:
        assert PIN not in str(problem)
        return problem.code
"""


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> softhsm.SoftDevice:
    made = softhsm.made(tmp_path_factory.mktemp("device") / "hsm")
    made.add("tsa-p256", "secp256r1")
    made.add("tsa-rsa", "rsa3072")
    made.add("small", "rsa2048")
    made.add("other", "secp384r1")
    return made


def asked(device: softhsm.SoftDevice, script: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _HEAD + script],
        env=device.environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("label", ["tsa-p256", "tsa-rsa"])
def test_tokens_by_a_key_in_the_device(device: softhsm.SoftDevice, label: str) -> None:
    script = f"print(stamped(*authority_of({label!r})), repr(device).count(PIN))"
    assert asked(device, script) == ["stamped", "0"]


def test_a_key_that_is_not_there_or_not_fit_is_refused(device: softhsm.SoftDevice) -> None:
    script = """
for label in ("none", "small", "other"):
    print(said(lambda: device.signing_key(label)))
print(said(lambda: Device(Place(MODULE, "no such token", PIN)).signing_key("tsa-p256")))
print(said(lambda: Device(Place("/none.so", TOKEN, PIN)).signing_key("tsa-p256")))
"""
    assert asked(device, script) == [
        "fix.pkcs11-key",
        "fix.key-unsuited",
        "fix.key-unsuited",
        "fix.pkcs11-unavailable",
        "fix.pkcs11-module",
    ]


def test_a_lost_session_threads_and_a_child(device: softhsm.SoftDevice) -> None:
    """Each finds a session: opened again, shared under a lock, opened after the fork."""
    script = """
authority, root = authority_of("tsa-p256")
device._session.close()
print(stamped(authority, root))
found = []
def work():
    found.extend(stamped(authority, root) for _ in range(5))
threads = [threading.Thread(target=work) for _ in range(4)]
[one.start() for one in threads]; [one.join() for one in threads]
print(len(found), flush=True)
if os.fork() == 0:
    print(stamped(authority, root), flush=True)
    os._exit(0)
os.wait()
print(stamped(authority, root))
"""
    assert asked(device, script) == ["stamped", "20", "stamped", "stamped"]


def test_a_device_that_is_away_is_unavailable_until_it_is_back(tmp_path: Path) -> None:
    own = softhsm.made(tmp_path / "hsm")
    own.add("tsa-p256", "secp256r1")
    script = """
authority, root = authority_of("tsa-p256")
print(stamped(authority, root))
tokens = Path(os.environ["SOFTHSM2_CONF"]).with_name("tokens")
tokens.rename(tokens.with_name("away"))
tokens.mkdir()
device._session.close()
print(said(lambda: stamped(authority, root)), said(lambda: stamped(authority, root)))
print(said(lambda: device._ecdsa("tsa-p256", b"")))
tokens.rmdir()
tokens.with_name("away").rename(tokens)
print(stamped(authority, root))
"""
    assert asked(own, script) == [
        "stamped",
        "fix.authority-declined",
        "fix.authority-declined",
        "fix.pkcs11-unavailable",
        "stamped",
    ]


def test_a_wrong_pin_is_tried_once(device: softhsm.SoftDevice) -> None:
    """Three tries would lock the device: ten count as one, and the right one works."""
    script = """
wrong = Device(Place(MODULE, TOKEN, "9999"))
print(*{said(lambda: wrong.signing_key("tsa-p256")) for _ in range(10)})
print(stamped(*authority_of("tsa-p256")))
"""
    assert asked(device, script) == ["fix.pkcs11-pin", "stamped"]
