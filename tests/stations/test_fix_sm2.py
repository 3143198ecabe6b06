"""SM2 keys, certificates and tokens: made here, judged by openssl, GmSSL and the kernel."""

import os
import subprocess
import threading
from pathlib import Path

import gmssl_pyx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from guzheng.fix import keyfolder, load_or_make, sm2, sm2_ceremony, sm2_certificates
from guzheng.fix.seal import stamp
from guzheng.fix.sm2 import Libcrypto, Sm2Key, open_libcrypto
from guzheng.proof import chain, sm2_x509, timestamp
from guzheng.proof import sm2 as arithmetic
from guzheng.proof.digest import sha256, sm3
from guzheng.proof.errors import BadSignature, ProofError, Refuted, UnknownKey
from guzheng.refusals import Refused, Unavailable
from tests.stations.sm2_cases import NO_SM2, authority_of, made
from tests.stations.timestamps import FILE, NOON

pytestmark = pytest.mark.skipif(bool(NO_SM2), reason=NO_SM2)
GM = "distid:1234567812345678"


@pytest.fixture(scope="module")
def library() -> Libcrypto:
    return open_libcrypto()


@pytest.fixture(scope="module")
def key(library: Libcrypto) -> Sm2Key:
    return library.generate()


@pytest.fixture(scope="module")
def keys_dir(library: Libcrypto, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sm2") / "keys"
    made(folder, library)
    return folder


# ------------------------------------------------------------------------ the system's library


def test_what_it_signs_the_kernel_and_gmssl_accept(key: Sm2Key) -> None:
    for message in (b"", b"one", bytes(10_000)):
        signature = key.sign(message)
        arithmetic.require_signature(key.public, message, signature)
        assert gmssl_pyx.sm2_verify(key.public[1:], message, signature)


def test_a_key_survives_its_encoding_and_prints_nothing(
    library: Libcrypto, key: Sm2Key
) -> None:
    again = library.load(key.pkcs8_der())
    assert again.public_key_der == key.public_key_der
    assert key.pkcs8_der()[36:68].hex() not in repr(key)


@pytest.mark.parametrize("octets", [b"", b"junk", b"\x30\x00", b"\x30\x84\xff\xff\xff\xff"])
def test_octets_that_are_no_key_are_refused(library: Libcrypto, octets: bytes) -> None:
    with pytest.raises(Refused) as refusal:
        library.load(octets)
    assert refusal.value.code == "fix.key-unsuited"


def test_a_key_of_another_kind_is_refused(library: Libcrypto, tmp_path: Path) -> None:
    keys = load_or_make(tmp_path / "keys", now=lambda: NOON, entropy=os.urandom)
    pem = keyfolder.private_key_pem(keys.signer_key)
    der = subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-nocrypt", "-outform", "DER"],
        input=pem, capture_output=True, check=True,
    ).stdout  # fmt: skip
    with pytest.raises(Refused) as refusal:
        library.load(der)
    assert refusal.value.code == "fix.key-unsuited"


def test_threads_share_a_key(key: Sm2Key) -> None:
    found: list[bytes] = []

    def sign() -> None:
        found.extend(key.sign(b"at once") for _ in range(10))

    threads = [threading.Thread(target=sign) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(found)) == 40
    for signature in found[::10]:
        arithmetic.require_signature(key.public, b"at once", signature)


def test_a_forked_child_draws_its_own_numbers(key: Sm2Key) -> None:
    """Two signatures that share their random number give the key away; contexts are kept."""
    key.sign(b"before")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, key.sign(b"the same"))
        os._exit(0)
    mine = key.sign(b"the same")
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        theirs = stream.read()
    assert os.waitpid(child, 0)[1] == 0
    for signature in (mine, theirs):
        arithmetic.require_signature(key.public, b"the same", signature)
    assert mine[4:36] != theirs[4:36]


@pytest.mark.parametrize("name", ["libcrypto.so.none", "libc.so.6"])
def test_a_machine_without_sm2_says_so(name: str) -> None:
    with pytest.raises(Unavailable) as failure:
        open_libcrypto(name)
    assert failure.value.code == "fix.sm2-missing"
    assert name in failure.value.found


# ----------------------------------------------------------------------- keys and certificates


def test_they_are_made_once_and_beside_the_others(library: Libcrypto, tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    load_or_make(folder, now=lambda: NOON, entropy=os.urandom)
    before = {one: one.read_bytes() for one in folder.rglob("*.*")}
    first = made(folder, library)
    assert made(folder, library).tsa_der == first.tsa_der
    assert {one: one.read_bytes() for one in before} == before
    assert sorted(one.name for one in (folder / "sm2").iterdir()) == [
        "root.key", "root.pem", "tsa.key", "tsa.pem",
    ]  # fmt: skip
    assert {one.stat().st_mode & 0o777 for one in (folder / "sm2").iterdir()} == {0o600}
    assert sm2_ceremony.find_root_pem(folder) == sm2_ceremony.root_pem(first)


def test_the_roots_key_may_be_offline_and_the_others_must_fit(
    library: Libcrypto, tmp_path: Path
) -> None:
    folder = tmp_path / "keys"
    made(folder, library)
    (folder / "sm2" / "root.key").rename(tmp_path / "offline")
    made(folder, library)
    (folder / "sm2" / "tsa.key").write_bytes((tmp_path / "offline").read_bytes())
    with pytest.raises(Refused) as refusal:
        made(folder, library)
    assert refusal.value.code == "fix.keys-damaged"


def test_openssl_reads_key_and_path(keys_dir: Path) -> None:
    folder = keys_dir / "sm2"
    done = subprocess.run(
        ["openssl", "verify", "-vfyopt", GM, "-purpose", "timestampsign", "-x509_strict",
         "-CAfile", "root.pem", "tsa.pem"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    subprocess.run(
        ["openssl", "pkey", "-in", folder / "tsa.key", "-check", "-noout"], check=True
    )


def test_a_path_of_another_key_or_an_altered_certificate_is_no_path(
    library: Libcrypto, keys_dir: Path, tmp_path: Path
) -> None:
    ours = sm2_ceremony.load(keys_dir, library)
    others = made(tmp_path / "keys", library)
    root, tsa = (chain.parse_certificate(one) for one in (ours.root_der, ours.tsa_der))
    assert chain.require_path(tsa, (), (root,), NOON) == (tsa, root)
    with pytest.raises(UnknownKey):
        chain.require_path(tsa, (), (chain.parse_certificate(others.root_der),), NOON)
    for at in range(len(ours.tsa_der) - 1, 0, -7):
        altered = bytearray(ours.tsa_der)
        altered[at] ^= 4
        with pytest.raises(ProofError):
            chain.require_path(chain.parse_certificate(bytes(altered)), (), (root,), NOON)


def test_a_namesake_of_the_root_is_not_the_root(library: Libcrypto, keys_dir: Path) -> None:
    ours = sm2_ceremony.load(keys_dir, library)
    root, tsa = (chain.parse_certificate(one) for one in (ours.root_der, ours.tsa_der))
    stranger = library.generate()
    forged = sm2_certificates.tsa_of(
        stranger,
        root,
        sm2_x509.public_key_der_of(tsa),
        operator="x",
        at=NOON,
        entropy=os.urandom,
    )
    with pytest.raises(UnknownKey):
        chain.require_path(chain.parse_certificate(forged), (), (root,), NOON)


# -------------------------------------------------------------------------------------- tokens


def test_a_token_says_sm3_everywhere_and_passes_the_kernel(
    library: Libcrypto, keys_dir: Path
) -> None:
    keys = sm2_ceremony.load(keys_dir, library)
    root = chain.parse_certificate(keys.root_der)
    answer = stamp(authority_of(keys), sm3(FILE), nonce=7, roots=(root,))
    token = timestamp.parse(answer)
    assert (token.imprint_name, token.imprint) == ("sm3", sm3(FILE).value)
    assert (token.signed.digest_name, token.attested_at) == ("sm3", NOON)
    assert token.signed.signature_oid == arithmetic.SM2_WITH_SM3
    signer = timestamp.require_signature(token)
    assert timestamp.require_trusted(token, signer, (root,))[-1] == root
    # An SM2 authority stamps SHA-256 too: an applicant may hold nothing else.
    stamp(authority_of(keys), sha256(FILE), nonce=8, roots=(root,))


def test_no_altered_octet_of_a_token_passes_as_another_statement(
    library: Libcrypto, keys_dir: Path
) -> None:
    keys = sm2_ceremony.load(keys_dir, library)
    root = chain.parse_certificate(keys.root_der)
    answer = stamp(authority_of(keys), sm3(FILE), nonce=7, roots=(root,))
    good = timestamp.parse(answer)
    for at in range(0, len(answer), 11):
        altered = bytearray(answer)
        altered[at] ^= 1 << at % 8
        try:
            token = timestamp.parse(bytes(altered))
            signer = timestamp.require_signature(token)
            timestamp.require_trusted(token, signer, (root,))
        except ProofError:
            continue
        assert token.token_der == good.token_der
        assert token.signed.signature == good.signed.signature


def test_a_signature_without_the_identity_is_refused(
    library: Libcrypto, keys_dir: Path
) -> None:
    """What `openssl cms` would accept: signed under no identity at all."""
    keys = sm2_ceremony.load(keys_dir, library)
    private = keys.tsa_key.pkcs8_der()[36:68]
    public = keys.tsa_key.public
    message = b"attributes"
    unnamed = gmssl_pyx.sm2_sign(private, public[1:], message, None)
    with pytest.raises(BadSignature):
        arithmetic.require_signature(public, message, unnamed)
    named = gmssl_pyx.sm2_sign(private, public[1:], message)
    arithmetic.require_signature(public, message, named)


def test_a_token_of_one_kind_is_not_of_another(library: Libcrypto, keys_dir: Path) -> None:
    """The algorithm is the certificate's: nobody may relabel a signature."""
    keys = sm2_ceremony.load(keys_dir, library)
    answer = authority_of(keys).respond(timestamp.encode_request(sm3(FILE), 1))
    before, after = answer.rsplit(sm2.SM2_WITH_SM3_DER, 1)
    ecdsa = bytes.fromhex("300a06082a8648ce3d040302")
    with pytest.raises(Refuted) as refusal:
        timestamp.require_signature(timestamp.parse(before + ecdsa + after))
    assert refusal.value.code == "cms.signature-algorithm"


def test_the_root_is_handed_out_in_pem(keys_dir: Path) -> None:
    pem = sm2_ceremony.find_root_pem(keys_dir)
    assert x509.load_pem_x509_certificate(pem).public_bytes(Encoding.PEM) == pem
    assert sm2_ceremony.find_root_pem(keys_dir / "none") == b""
