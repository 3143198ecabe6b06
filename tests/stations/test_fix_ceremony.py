"""The keys: made once and all together, whatever happens; refused when not as made."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from guzheng.fix import Keys, load, load_or_make, local_authority, roots_pem
from guzheng.proof import timestamp
from guzheng.proof.digest import sha256
from guzheng.refusals import Refused, Unavailable
from tests.stations.timestamps import NOON, openssl

FILES = ["root.key", "root.pem", "signer.key", "signer.pem", "tsa.key", "tsa.pem"]


def made(folder: Path) -> Keys:
    return load_or_make(folder, now=lambda: NOON, entropy=os.urandom)


@pytest.fixture
def keys_dir(tmp_path: Path) -> Path:
    made(tmp_path / "keys")
    return tmp_path / "keys"


# ------------------------------------------------------------------------------- what is made


def test_folders_are_0700_and_files_0600_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        made(tmp_path / "keys")
    finally:
        os.umask(before)
    folder = tmp_path / "keys" / "authority"
    assert sorted(one.name for one in folder.iterdir()) == FILES
    assert [one.name for one in (tmp_path / "keys").iterdir()] == ["authority"]
    assert {one.stat().st_mode & 0o7777 for one in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o7777 == 0o700
    assert folder.parent.stat().st_mode & 0o7777 == 0o700


def test_a_second_start_finds_the_same_keys_and_writes_nothing(keys_dir: Path) -> None:
    before = {one: one.stat() for one in keys_dir.rglob("*")}
    first, second = load(keys_dir), made(keys_dir)
    assert first.root_der == second.root_der
    assert first.tsa_key is not None
    assert second.tsa_key is not None
    assert first.tsa_key.private_numbers() == second.tsa_key.private_numbers()
    assert {one: one.stat() for one in keys_dir.rglob("*")} == before


def test_two_platforms_share_neither_keys_nor_names(tmp_path: Path) -> None:
    one = x509.load_der_x509_certificate(made(tmp_path / "one").root_der)
    other = x509.load_der_x509_certificate(made(tmp_path / "other").root_der)
    assert one.subject != other.subject
    assert one.public_key() != other.public_key()


@pytest.mark.oracle("openssl")
def test_openssl_accepts_the_certificates_for_their_purposes(keys_dir: Path) -> None:
    folder = keys_dir / "authority"
    when = ("-attime", str(int(NOON.timestamp()) + 60), "-x509_strict")
    ask = ("verify", *when, "-CAfile", "root.pem")
    found = openssl(*ask, "-purpose", "timestampsign", "tsa.pem", cwd=folder)
    assert found.stdout == "tsa.pem: OK\n", found.stderr
    found = openssl(*ask, "-purpose", "smimesign", "signer.pem", cwd=folder)
    assert found.returncode == 2  # RFC 9336 alone: neither mail nor web
    found = openssl(*ask, "signer.pem", "root.pem", cwd=folder)
    assert found.stdout == "signer.pem: OK\nroot.pem: OK\n", found.stderr
    found = openssl(*ask, "-purpose", "timestampsign", "signer.pem", cwd=folder)
    assert found.returncode == 2
    shown = openssl(
        *("x509", "-in", "tsa.pem", "-noout", "-subject", "-nameopt", "utf8"),
        cwd=folder,
    )
    assert shown.stdout == "subject=O=固证 Guzheng, CN=固证本地时间戳机构 Guzheng local TSA\n"


def test_the_certificates_say_what_the_specification_says(keys_dir: Path) -> None:
    keys = load(keys_dir)
    root, tsa, signer = map(
        x509.load_der_x509_certificate, (keys.root_der, keys.tsa_der, keys.signer_der)
    )
    assert roots_pem(keys) == root.public_bytes(Encoding.PEM)
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    usage = root.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign
    assert usage.crl_sign
    assert not usage.digital_signature
    for leaf, purpose, critical in (
        (tsa, "1.3.6.1.5.5.7.3.8", True),
        (signer, "1.3.6.1.5.5.7.3.36", False),
    ):
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        assert [one.dotted_string for one in purposes.value] == [purpose]
        assert purposes.critical == critical
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        assert usage.digital_signature
        assert usage.content_commitment
        assert not usage.key_cert_sign
        assert leaf.not_valid_before_utc == NOON.replace(microsecond=0)
        assert leaf.not_valid_after_utc.year == 2031
        authority = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
        subject = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        assert authority.value.key_identifier == subject.value.digest
    assert root.not_valid_after_utc.year == 2046
    assert len({root.serial_number, tsa.serial_number, signer.serial_number}) == 3


def test_an_operator_is_named(tmp_path: Path) -> None:
    keys = load_or_make(
        tmp_path / "keys", operator="杭州公证处", now=lambda: NOON, entropy=os.urandom
    )
    tsa = x509.load_der_x509_certificate(keys.tsa_der)
    assert "O=杭州公证处" in tsa.subject.rfc4514_string()


@pytest.mark.parametrize("operator", ["", " ", "x" * 65, "a\x00b", "two\nlines"])
def test_an_operator_that_cannot_be_named_is_refused(tmp_path: Path, operator: str) -> None:
    with pytest.raises(Refused) as refusal:
        load_or_make(tmp_path / "keys", operator=operator, now=lambda: NOON, entropy=os.urandom)
    assert refusal.value.code == "fix.operator-unnameable"
    assert not (tmp_path / "keys" / "authority").exists()


def test_the_keys_seal_at_once(keys_dir: Path) -> None:
    keys = load(keys_dir)
    authority = local_authority(keys, now=lambda: NOON, entropy=os.urandom)
    asked = timestamp.encode_request(sha256(b"x"), 7)
    token = timestamp.parse(authority.respond(asked))
    signer = timestamp.require_signature(token)
    (root,) = x509.load_pem_x509_certificates(roots_pem(keys))
    timestamp.require_trusted(token, signer, (root,))


def test_private_keys_are_not_shown(keys_dir: Path) -> None:
    keys = load(keys_dir)
    assert "tsa_key" not in repr(keys)
    assert "signer_key" not in repr(keys)
    assert "PRIVATE" not in roots_pem(keys).decode()


# ---------------------------------------------------------------------- when the ceremony fails

# Runs the ceremony in one process after the other and kills each, as a power cut would, when
# the n-th file or folder under the keys is opened, made or renamed; prints how many.
KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from guzheng.fix import load_or_make

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CHANGES = ("open", "os.mkdir", "os.rename", "os.rmdir")

def perform(keys_dir, left):
    def watch(event, arguments):
        nonlocal left
        if event in CHANGES and keys_dir in str(arguments):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)
    load_or_make(Path(keys_dir), now=lambda: NOON, entropy=os.urandom)
    os._exit(0)

crashes, ended = 0, -1
while ended != 0:
    child = os.fork()
    if not child:
        perform(f"{sys.argv[1]}/{crashes}", crashes)
    _, ended = os.waitpid(child, 0)
    assert ended in (0, signal.SIGKILL), ended
    crashes += ended != 0
print(crashes)
"""


def test_a_crash_at_any_moment_leaves_all_keys_or_none(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, check=True
    )
    crashes = int(ended.stdout)
    assert crashes > 10  # each file, each folder, the rename
    left = {"none": 0, "all": 0}
    for number in range(crashes + 1):
        keys_dir = tmp_path / str(number)
        if (keys_dir / "authority").exists():
            kept = load(keys_dir)
            assert made(keys_dir).root_der == kept.root_der
            left["all"] += 1
        else:
            made(keys_dir)
            left["none"] += 1
        assert sorted(one.name for one in (keys_dir / "authority").iterdir()) == FILES
        assert [one.name for one in keys_dir.iterdir()] == ["authority"]
    assert min(left.values()) > 1


FULL = """
import os, resource, sys
from datetime import UTC, datetime
from pathlib import Path
from guzheng.fix import load_or_make
from guzheng.refusals import Unavailable

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))  # a key has room, a certificate not
try:
    load_or_make(Path(sys.argv[1]), now=lambda: NOON, entropy=os.urandom)
except Unavailable as error:
    sys.exit(error.code)
"""


def test_a_full_disk_makes_nothing_and_says_so(tmp_path: Path) -> None:
    keys_dir = tmp_path / "keys"
    ended = subprocess.run(
        [sys.executable, "-c", FULL, str(keys_dir)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == "fix.keys-unwritable\n"
    assert not (keys_dir / "authority").exists()
    made(keys_dir)
    assert [one.name for one in keys_dir.iterdir()] == ["authority"]


def test_a_place_that_is_no_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable) as problem:
        made(tmp_path / "file" / "keys")
    assert problem.value.code == "fix.keys-unwritable"


def _root_of(keys_dir: Path) -> bytes:
    return made(keys_dir).root_der


def test_many_that_start_at_once_find_one_set_of_keys(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        roots = pool.map(_root_of, [tmp_path / "keys"] * 6, chunksize=1)
    assert len(set(roots)) == 1


# ------------------------------------------------------------------ keys not as they were made


def _link(folder: Path) -> None:
    (folder / "tsa.key").rename(folder.parent / "elsewhere.key")
    (folder / "tsa.key").symlink_to(folder.parent / "elsewhere.key")


def _pipe(folder: Path) -> None:
    (folder / "tsa.key").unlink()
    os.mkfifo(folder / "tsa.key", 0o600)


def _another_key(folder: Path) -> None:
    octets = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    (folder / "tsa.key").write_bytes(octets)


def _encrypted_key(folder: Path) -> None:
    key = load_pem_private_key((folder / "tsa.key").read_bytes(), password=None)
    (folder / "tsa.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    )


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir(0o700)


def _another_root(folder: Path) -> None:
    other = folder.parent.parent / "other"
    made(other)
    shutil.copy(other / "authority" / "root.pem", folder / "root.pem")


def _cut(name: str) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        octets = (folder / name).read_bytes()
        (folder / name).write_bytes(octets[: len(octets) // 2])

    return cut


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "key for all to read": (lambda at: (at / "tsa.key").chmod(0o644), "fix.keys-open"),
    "root key for the group": (lambda at: (at / "root.key").chmod(0o640), "fix.keys-open"),
    "folder for all": (lambda at: at.chmod(0o755), "fix.keys-open"),
    "folder of keys for all": (lambda at: at.parent.chmod(0o755), "fix.keys-open"),
    "a link": (_link, "fix.keys-foreign"),
    "a pipe": (_pipe, "fix.keys-foreign"),
    "no key": (lambda at: (at / "signer.key").unlink(), "fix.keys-missing"),
    "no certificate": (lambda at: (at / "tsa.pem").unlink(), "fix.keys-missing"),
    "nothing": (_empty, "fix.keys-missing"),
    "empty key": (lambda at: (at / "tsa.key").write_bytes(b""), "fix.keys-damaged"),
    "half a key": (_cut("tsa.key"), "fix.keys-damaged"),
    "half a root key": (_cut("root.key"), "fix.keys-damaged"),
    "half a certificate": (_cut("signer.pem"), "fix.keys-damaged"),
    "another key": (_another_key, "fix.keys-damaged"),
    "a key under a password": (_encrypted_key, "fix.keys-damaged"),
    "another root": (_another_root, "fix.keys-damaged"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_spoiled_keys_are_refused_and_left_as_they_are(keys_dir: Path, case: str) -> None:
    spoil, code = SPOILED[case]
    secret = (keys_dir / "authority" / "tsa.key").read_text().splitlines()[1]
    spoil(keys_dir / "authority")
    before = sorted(keys_dir.rglob("*"))
    with pytest.raises(Refused) as refusal:
        made(keys_dir)
    assert refusal.value.code == code
    assert secret[:16] not in str(refusal.value)
    assert refusal.value.act
    assert sorted(keys_dir.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_refused(keys_dir: Path) -> None:
    os.chown(keys_dir / "authority" / "tsa.key", 12345, -1)
    with pytest.raises(Refused) as refusal:
        load(keys_dir)
    assert refusal.value.code == "fix.keys-foreign"


def test_the_root_key_may_be_offline(keys_dir: Path) -> None:
    kept = load(keys_dir)
    (keys_dir / "authority" / "root.key").unlink()
    assert made(keys_dir).root_der == kept.root_der


def test_the_certificates_begin_when_they_are_made(tmp_path: Path) -> None:
    at = datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    keys = load_or_make(tmp_path / "keys", now=lambda: at, entropy=os.urandom)
    tsa = x509.load_der_x509_certificate(keys.tsa_der)
    assert tsa.not_valid_before_utc <= at < tsa.not_valid_before_utc + timedelta(seconds=1)
