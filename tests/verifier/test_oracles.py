"""A real package before readers that nobody here wrote, as its VERIFY.md tells a stranger.

openssl and rfc3161-client for every token, sha256sum for the listing, unzip for the container,
pyHanko for the certificate; each good verdict beside a bad one, so that none says yes to all.
"""

import asyncio
import io
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from asn1crypto import pem
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko.sign.validation.status import PdfSignatureStatus
from pyhanko_certvalidator import ValidationContext
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

from guzheng.proof import package, timestamp
from tests.verifier.packed import FILES, KEPT, Packed, unpacked


@pytest.fixture(scope="module")
def folder(packed: Packed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(packed.members, tmp_path_factory.mktemp("folder"))


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False
    )


def stamped(packed: Packed) -> dict[str, bytes]:
    """Every token of the package, and the octets that it stands over; those of SM2, which
    neither of these tools can read, have their own: tests/stations/test_prove_recipe.py."""
    ours, theirs = (f"exhibits/{one}/" for one in (packed.deposit, packed.hash_only))
    found = {f"{ours}tokens/{name}.tsa": octets for name, octets in FILES.items()}
    found[f"{theirs}tokens/kept.bin.tsa"] = KEPT
    for one in (ours, theirs):
        found[f"{one}seal.tsa"] = packed.members[f"{one}manifest.json"]
    named = {name for name in packed.members if name.endswith(".tsa")}
    assert set(found) == {one for one in named if not one.endswith(package.SEAL_SM2)}
    return found


@pytest.mark.oracle("openssl")
def test_openssl_verifies_every_token(packed: Packed, folder: Path, tmp_path: Path) -> None:
    for number, (name, octets) in enumerate(stamped(packed).items()):
        file = tmp_path / str(number)
        file.write_bytes(octets)
        asked = ("openssl", "ts", "-verify", "-in", name, "-CAfile", "trust/roots.pem")
        assert run(*asked, "-data", file, cwd=folder).returncode == 0
        file.write_bytes(octets + b"\n")
        assert run(*asked, "-data", file, cwd=folder).returncode != 0


@pytest.mark.oracle("openssl")
def test_the_commands_of_the_recipe_work_as_they_stand(packed: Packed, folder: Path) -> None:
    """Each command line that VERIFY.md prints, hash-only ones with -digest among them."""
    recipe = packed.members["VERIFY.md"].decode().replace("\\\n", " ")
    commands = re.findall(r"^ {7}(openssl .*|sha256sum .*)$", recipe, re.MULTILINE)
    verifying = [one for one in commands if "ts -verify" in one]
    assert len(verifying) == len(stamped(packed))
    assert any("-digest" in one for one in verifying)
    for command in commands:
        if "|" in command:
            continue  # shows the roots to a person
        done = run(*shlex.split(command), cwd=folder)
        assert done.returncode == 0, command + done.stdout + done.stderr


def test_rfc3161_client_verifies_every_token(packed: Packed) -> None:
    root = x509.load_pem_x509_certificate(packed.members["trust/roots.pem"])
    for name, octets in stamped(packed).items():
        answer = decode_timestamp_response(packed.members[name])
        verifier = VerifierBuilder().add_root_certificate(root).build()
        assert verifier.verify_message(answer, octets)
        with pytest.raises(VerificationError):
            VerifierBuilder().add_root_certificate(root).build().verify_message(
                answer, octets + b"\n"
            )
        read = timestamp.parse(packed.members[name])
        # rfc3161-client reads whole seconds only.
        assert read.attested_at.replace(microsecond=0) == answer.tst_info.gen_time
        assert read.serial == answer.tst_info.serial_number


@pytest.mark.oracle("sha256sum")
def test_sha256sum_checks_the_listing(packed: Packed, tmp_path: Path) -> None:
    folder = unpacked(packed.members, tmp_path)
    assert run("sha256sum", "--strict", "-c", "SHA256SUMS", cwd=folder).returncode == 0
    (folder / "VERIFY.md").write_bytes(b"another")
    assert run("sha256sum", "--strict", "-c", "SHA256SUMS", cwd=folder).returncode != 0


@pytest.mark.oracle("unzip")
def test_unzip_tests_the_container(packed: Packed, tmp_path: Path) -> None:
    (tmp_path / "package.zip").write_bytes(packed.octets)
    done = run("unzip", "-tqq", "package.zip", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    run("unzip", "-q", "package.zip", "-d", "out", cwd=tmp_path)
    for name, octets in packed.members.items():
        assert (tmp_path / "out" / name).read_bytes() == octets
    (tmp_path / "package.zip").write_bytes(packed.octets.replace(KEPT[:9], b"x", 1)[:-50])
    assert run("unzip", "-tqq", "package.zip", cwd=tmp_path).returncode != 0


@pytest.mark.parametrize("kind", ["deposit", "hash_only"])
def test_pyhanko_validates_the_certificate(packed: Packed, kind: str) -> None:
    pdf = packed.member(getattr(packed, kind), "certificate.pdf")
    (_, _, root) = pem.unarmor(packed.members["trust/roots.pem"])

    def status(octets: bytes) -> PdfSignatureStatus:
        reader = PdfFileReader(io.BytesIO(octets))
        context = ValidationContext(trust_roots=[asn1_x509.Certificate.load(root)])
        (signature,) = reader.embedded_signatures
        return asyncio.run(async_validate_pdf_signature(signature, context, context))

    good = status(pdf)
    assert good.bottom_line
    assert good.timestamp_validity is not None
    assert good.timestamp_validity.trusted
    at = pdf.index(b"endstream") - 9
    bad = status(pdf[:at] + bytes([pdf[at] ^ 1]) + pdf[at + 1 :])
    assert not bad.bottom_line
