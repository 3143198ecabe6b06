"""The files of tests/vectors/timestamp, judged by our verifier and by others."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TypedDict, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from guzheng.fix import LOCAL_POLICY_OID
from guzheng.proof import chain, instant, timestamp
from guzheng.proof.digest import sha256
from guzheng.proof.errors import ProofError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "vectors" / "timestamp"


class Case(TypedDict):
    name: str
    answer: str
    file: str
    nonce: str | None
    extra_certificates: str | None
    outcome: str
    code: str | None
    attested_at: str | None
    openssl_accepts: bool


class Index(TypedDict):
    roots: str
    openssl_attime: int
    cases: list[Case]


INDEX = cast(Index, json.loads((FOLDER / "cases.json").read_bytes()))
CASES = {case["name"]: case for case in INDEX["cases"]}


def attested_by(case: Case) -> str:
    """The time that is proved, or the code of the refusal."""
    extra: tuple[bytes, ...] = ()
    if case["extra_certificates"]:
        pem = (FOLDER / case["extra_certificates"]).read_bytes()
        extra = (x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER),)
    try:
        token = timestamp.parse((FOLDER / case["answer"]).read_bytes())
        hashed = sha256((FOLDER / case["file"]).read_bytes()).value
        if token.imprint_name == "sha256":
            timestamp.require_imprint(token, hashed)
        if case["nonce"] is not None:
            timestamp.require_nonce(token, int(case["nonce"]))
        signer = timestamp.require_signature(token, extra)
        roots = chain.parse_pem_roots((FOLDER / INDEX["roots"]).read_bytes())
        timestamp.require_trusted(token, signer, roots)
    except ProofError as error:
        return error.code
    return instant.encode(token.attested_at)


@pytest.mark.parametrize("name", CASES)
def test_our_verifier_finds_what_is_said(name: str) -> None:
    case = CASES[name]
    assert attested_by(case) == (case["code"] or case["attested_at"])


# Where it disagrees, it says yes to what the standards forbid, or wants -token_in; other
# versions may differ. See README.md there.
AGREED = [
    name
    for name, case in CASES.items()
    if case["openssl_accepts"] == (case["outcome"] == "passed")
]


@pytest.mark.oracle("openssl")
@pytest.mark.parametrize("name", AGREED)
def test_openssl_agrees(name: str) -> None:
    case = CASES[name]
    extra = ("-untrusted", case["extra_certificates"]) if case["extra_certificates"] else ()
    found = subprocess.run(
        [
            *("openssl", "ts", "-verify", "-data", case["file"], "-in", case["answer"]),
            *("-CAfile", INDEX["roots"], "-attime", str(INDEX["openssl_attime"]), *extra),
        ],
        cwd=FOLDER,
        check=False,
        capture_output=True,
    )
    assert (found.returncode == 0) == case["openssl_accepts"], found.stderr


def test_the_files_are_what_the_tool_describes() -> None:
    """And can be made again anywhere, to the octet."""
    checked = subprocess.run(
        [sys.executable, "-m", "tools.vectors_timestamp", "--check"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr


def test_the_example_of_the_specification_is_a_vector() -> None:
    text = (ROOT / "docs" / "spec" / "seal.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    # A line is octets in hexadecimal, then three blanks and words.
    whole, said, attributes = (
        bytes.fromhex(re.sub(r"   .*", "", re.sub(r"(?m)^ +", "", block)).replace("\n", " "))
        for block in blocks
    )
    answer = (FOLDER / "good-p256.tsa").read_bytes()
    token = timestamp.parse(answer)
    assert whole == sha256(answer).value
    assert said == token.token_der
    assert attributes == token.signed.attributes_encoded
    assert LOCAL_POLICY_OID in text
    assert token.policy == LOCAL_POLICY_OID
