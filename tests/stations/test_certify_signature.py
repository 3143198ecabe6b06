"""The signature of a certificate: valid from the root alone, and broken by any flipped byte."""

import io
import logging
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.misc import PdfReadError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.status import PdfSignatureStatus
from pyhanko_certvalidator import ValidationContext

from guzheng import fix
from guzheng.certify import DocumentSigner, certify
from guzheng.certify.document import Circumstances, document_of
from guzheng.proof import pdf as proof_pdf
from guzheng.proof.digest import sha256
from guzheng.proof.errors import ProofError
from guzheng.refusals import Unavailable
from tests.stations.certify_cases import (
    SIGNED_AT,
    certificate,
    facts,
    item,
    keys,
    papers,
    roots,
    signer,
)

KINDS = ("deposit", "hash-only", "web")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """pyHanko logs every broken file with a traceback; the outcome is what is tested."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _judged(pdf: bytes, root_der: bytes) -> PdfSignatureStatus:
    """pyHanko's opinion, from the root alone and without a network."""
    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(root_der)],
        moment=SIGNED_AT,
        allow_fetching=False,
        revocation_mode="soft-fail",
    )
    (signature,) = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    return validate_pdf_signature(signature, context, ts_validation_context=context)


def _believed(pdf: bytes) -> bool:
    """Whether neither pyHanko nor the kernel sees anything wrong."""
    try:
        if not _judged(pdf, keys().root_der).bottom_line:
            return False
    except (PdfReadError, SignatureValidationError, ValueError, TypeError, KeyError,
            AttributeError, IndexError, AssertionError, OSError):  # fmt: skip
        return False
    try:
        proof_pdf.require_signed(pdf, roots())
    except ProofError:
        return False
    return True


def _contents(pdf: bytes) -> tuple[int, int]:
    found = re.search(rb"/Contents <([0-9A-Fa-f]+)>", pdf)
    assert found
    return found.span(1)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", KINDS)
def test_pyhanko_finds_it_intact_valid_and_trusted_from_the_root_alone(kind: str) -> None:
    status = _judged(certificate(kind), keys().root_der)
    assert (status.intact, status.valid, status.trusted) == (True, True, True)
    assert status.coverage == SignatureCoverageLevel.ENTIRE_FILE
    assert status.modification_level == ModificationLevel.NONE
    assert status.docmdp_ok
    timestamp = status.timestamp_validity
    assert timestamp is not None
    assert (timestamp.intact, timestamp.valid, timestamp.trusted) == (True, True, True)
    assert abs(timestamp.timestamp - SIGNED_AT) < timedelta(seconds=1)
    assert status.bottom_line


def test_an_unknown_root_is_not_believed() -> None:
    status = _judged(certificate(), keys().tsa_der)
    assert status.intact
    assert not status.trusted


def test_no_change_is_allowed_afterwards() -> None:
    (signature,) = PdfFileReader(io.BytesIO(certificate())).embedded_signatures
    assert signature.docmdp_level == MDPPerm.NO_CHANGES
    assert signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"


def test_the_kernel_agrees_and_gives_the_authoritys_time() -> None:
    signed_at = proof_pdf.require_signed(certificate(), roots())
    assert abs(signed_at - SIGNED_AT) < timedelta(milliseconds=1)


@pytest.mark.oracle
def test_poppler_finds_it_valid_over_the_whole_file(tmp_path: Path) -> None:
    program = shutil.which("pdfsig")
    if program is None:
        pytest.skip("poppler-utils is not installed")
    (tmp_path / "certificate.pdf").write_bytes(certificate())
    found = subprocess.run(
        [program, "-nocert", tmp_path / "certificate.pdf"], capture_output=True, check=True
    ).stdout.decode()
    assert "Signature is Valid." in found
    assert "Total document signed" in found
    assert "ETSI.CAdES.detached" in found


@pytest.mark.oracle
def test_the_command_lines_on_the_page_do_what_they_say(tmp_path: Path) -> None:
    for program in ("openssl", "pdfdetach", "pdfsig", "sha256sum"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    given, original, manifest = facts(items=[item("证据 一.mp4")]), b"film", b"manifest"
    authority = fix.local_authority(keys(), now=lambda: SIGNED_AT, entropy=secrets.token_bytes)
    attached = papers(given) | {
        "manifest.json": manifest,
        "seal.tsa": fix.stamp(authority, sha256(manifest), nonce=1, roots=roots()),
        "tokens/证据 一.mp4.tsa": fix.stamp(
            authority, sha256(original), nonce=2, roots=roots()
        ),
    }
    pdf = certify(given, attached, signer(), signed_at=SIGNED_AT)
    (tmp_path / "certificate.pdf").write_bytes(pdf)
    (tmp_path / "证据 一.mp4").write_bytes(original)
    (tmp_path / "roots.pem").write_bytes(fix.roots_pem(keys()))
    how = document_of(given, Circumstances(frozenset(range(0x10000)), "CN=x"))["how"]
    assert isinstance(how, dict)
    lines = [line for step in how["steps"] for line in step["commands"]]
    ran = [line for line in lines if not line.startswith("guzheng-verify")]
    for line in ran:
        subprocess.run(
            ["bash", "-c", line.replace("tokens/FILE", "'tokens/证据 一.mp4'").replace(
                "FILE", "'证据 一.mp4'").replace("'.tsa", ".tsa'")],
            cwd=tmp_path, check=True, capture_output=True,
        )  # fmt: skip
    assert len(ran) == 5
    detached = {
        path.relative_to(tmp_path).as_posix(): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert attached.items() <= detached.items()


@pytest.mark.oracle
def test_a_flipped_byte_anywhere_is_seen() -> None:
    """A hundred places over the file, the signature's own octets aside."""
    pdf = certificate()
    start, end = _contents(pdf)
    places = [at for at in range(0, len(pdf), len(pdf) // 100) if not start <= at < end]
    assert len(places) > 90
    for at in places:
        flipped = bytearray(pdf)
        flipped[at] ^= 1
        try:
            status = _judged(bytes(flipped), keys().root_der)
        except (PdfReadError, SignatureValidationError, ValueError, TypeError, KeyError,
                AttributeError, IndexError, AssertionError, OSError):  # fmt: skip
            continue  # no longer readable as a signed PDF
        assert not (status.intact and status.valid and status.bottom_line), at


@pytest.mark.oracle
def test_a_flipped_byte_in_the_signature_is_seen_unless_nothing_depends_on_it() -> None:
    """A CMS has octets no signature can cover: the hints of RFC 5652 §5.1 and versions."""
    pdf = certificate()
    start, end = _contents(pdf)
    octets = bytes.fromhex(pdf[start:end].decode())
    algorithm = re.escape(bytes.fromhex("0609608648016503040201"))
    hint = re.compile(rb"\x31[\x0d\x0f]\x30[\x0b\x0d]" + algorithm + rb"(\x05\x00)?")
    version = re.compile(rb"\x02\x01[\x01\x03](?=\x30|\x31)")
    free = {
        at
        for form in (hint, version)
        for found in form.finditer(octets)
        for at in range(*found.span())
    }
    believed = []
    for at in range(start, end, 23):
        flipped = bytearray(pdf)
        flipped[at] ^= 1
        if _believed(bytes(flipped)):
            believed.append((at - start) // 2)
    assert set(believed) <= free


def test_something_added_afterwards_is_seen() -> None:
    pdf = certificate()
    assert not _believed(pdf + b"\n% added\n")
    assert not _believed(pdf[:-1])


def test_an_rsa_key_signs_too() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "RSA signer")])
    own = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(SIGNED_AT - timedelta(days=1))
        .not_valid_after(SIGNED_AT + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    rsa_signer = DocumentSigner(key, own, signer().respond)
    pdf = certify(facts(), papers(facts()), rsa_signer, signed_at=SIGNED_AT)
    status = _judged(pdf, own)
    assert status.intact
    assert status.valid


def test_the_authority_is_asked_once_for_the_size_and_once_per_certificate() -> None:
    asked: list[bytes] = []

    def respond(request_der: bytes) -> bytes:
        asked.append(request_der)
        return signer().respond(request_der)

    counted = DocumentSigner(keys().signer_key, keys().signer_der, respond)
    for _ in range(3):
        certify(facts(), papers(facts()), counted, signed_at=SIGNED_AT)
    assert len(asked) == 4


def test_an_authority_that_sends_more_than_before_is_given_the_room() -> None:
    def authority(*chain_ders: bytes) -> fix.LocalAuthority:
        tsa_key = keys().tsa_key
        assert tsa_key is not None
        return fix.LocalAuthority(
            fix.signing_key_of(tsa_key),
            keys().tsa_der,
            chain_ders,
            clock=fix.unverified(lambda: SIGNED_AT),
            serial=fix.random_serials(secrets.token_bytes),
        )

    answers = iter([authority()] + [authority(keys().root_der, keys().signer_der)] * 9)
    growing = DocumentSigner(
        keys().signer_key, keys().signer_der, lambda asked: next(answers).respond(asked)
    )
    pdf = certify(facts(), papers(facts()), growing, signed_at=SIGNED_AT)
    proof_pdf.require_signed(pdf, roots())


def _rejecting(_: bytes) -> bytes:
    return signer().respond(b"")


def _answering_another(request_der: bytes) -> bytes:
    request = tsp.TimeStampReq.load(request_der)
    request["message_imprint"]["hashed_message"] = secrets.token_bytes(32)
    return signer().respond(request.dump())


def _replaying(request_der: bytes) -> bytes:
    request = tsp.TimeStampReq.load(request_der)
    request["nonce"] = 42
    return signer().respond(request.dump())


@pytest.mark.parametrize(
    "respond",
    [
        lambda _: b"",
        lambda _: b"<html>busy</html>",
        lambda _: b"0\x03\x02\x01\x00",
        _rejecting,
        _answering_another,
        _replaying,
    ],
    ids=["nothing", "html", "der", "rejected", "other-digest", "other-nonce"],
)
def test_an_unsound_answer_of_the_authority_makes_no_certificate(respond: object) -> None:
    assert callable(respond)
    doubtful = DocumentSigner(keys().signer_key, keys().signer_der, respond)
    with pytest.raises(Unavailable) as refusal:
        certify(facts(), papers(facts()), doubtful, signed_at=SIGNED_AT)
    assert refusal.value.code == "certify.timestamp-unsound"


def test_the_key_is_never_shown() -> None:
    assert "key" not in repr(signer())
