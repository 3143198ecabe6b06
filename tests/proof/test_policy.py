"""Whom a verifier believes: C2SP tlog-policy, and roots in PEM."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guzheng.proof import policy
from guzheng.proof.errors import Malformed, ProofError, Undecided
from guzheng.proof.policy import LedgerPolicy
from tests.strategies import altered

FOLDER = Path(__file__).parents[1] / "vectors" / "package"
ROOTS, LEDGER = (FOLDER / one for one in ("roots.pem", "ledger.policy"))
WORDS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=80)


@given(
    st.lists(WORDS.filter(lambda one: not one.startswith("#")), min_size=1, max_size=5), WORDS
)
def test_parse_undoes_encode(logs: list[str], quorum: str) -> None:
    written = LedgerPolicy(tuple(logs), quorum)
    assert policy.parse_ledger_policy(policy.encode_ledger_policy(written)) == written


def test_the_policy_of_a_package_is_written_as_it_is_read() -> None:
    octets = LEDGER.read_bytes()
    assert policy.encode_ledger_policy(policy.parse_ledger_policy(octets)) == octets


def test_what_c2sp_allows_beside_logs() -> None:
    octets = b"# whom we believe\n\nlog example.com+1+AA https://log.example\n"
    octets += b"witness w1 example.net+2+AA\ngroup g any w1\nquorum g\n"
    read = policy.parse_ledger_policy(octets)
    assert read == LedgerPolicy(("example.com+1+AA",), "g")
    with pytest.raises(Undecided) as refusal:  # judged by a later version, never ignored
        policy.require_quorum(read, ("w1",))
    assert refusal.value.code == "policy.quorum-unknown"


def test_no_quorum_is_satisfied_by_nobody() -> None:
    policy.require_quorum(LedgerPolicy(("log",), "none"), ())


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"log a\n",
        b"quorum none\n",
        b"log a\nquorum none\nquorum none\n",
        b"log a\nquorum\n",
        b"log\nquorum none\n",
        b"log a b c\nquorum none\n",
        b"logs a\nquorum none\n",
        b"log \xff\nquorum none\n",
        b"log a\n" * 300 + b"quorum none\n",
    ],
)
def test_what_is_no_policy_is_refused(octets: bytes) -> None:
    with pytest.raises(Malformed) as refusal:
        policy.parse_ledger_policy(octets)
    assert refusal.value.code == "policy.malformed"


@given(st.binary() | altered(LEDGER.read_bytes()))
def test_any_octets_as_policy(octets: bytes) -> None:
    try:
        read = policy.parse_ledger_policy(octets)
    except ProofError:
        return
    assert policy.parse_ledger_policy(policy.encode_ledger_policy(read)) == read


@given(st.binary() | altered(ROOTS.read_bytes()))
@example(b"")
@example(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
@example(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
@example(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
def test_any_octets_as_roots(octets: bytes) -> None:
    try:
        roots = policy.parse_roots(octets)
    except ProofError:
        return
    assert roots
