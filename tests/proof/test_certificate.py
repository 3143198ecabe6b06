"""What a certificate says is derived from the papers, and can be derived by anybody."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof import canonical, certificate, timestamp
from guzheng.proof.digest import Digest, sha256
from guzheng.proof.manifest import AttestedApplicant, Manifest
from guzheng.proof.tlogproof import TlogProof
from tests.proof.tokens import papers

KINDS = ("good", "hash-only", "stranger")


def derived(name: str, *, witnesses: tuple[str, ...] = ()) -> bytes:
    held = papers(name)
    seal = timestamp.parse(held["seal.tsa"])
    entry = TlogProof.parse(held["entry.tlog-proof"])
    authority = timestamp.require_signature(seal)
    facts = certificate.derive(
        held["manifest.json"], held.get("capture.json"), seal, authority, entry, witnesses
    )
    return certificate.encode(facts)


@pytest.mark.parametrize("name", KINDS)
def test_it_is_derived_octet_by_octet(name: str) -> None:
    assert derived(name) == papers(name)["certificate.json"]


@pytest.mark.parametrize("name", KINDS)
def test_every_value_is_found_in_the_papers(name: str) -> None:
    facts = json.loads(papers(name)["certificate.json"])
    manifest = json.loads(papers(name)["manifest.json"])
    for field in ("exhibit", "kind", "claimed_name", "observed_at", "items"):
        assert facts[field] == manifest[field]
    seal = timestamp.parse(papers(name)["seal.tsa"])
    assert int(facts["seal"]["serial"], 16) == seal.serial
    assert facts["seal"]["policy"] == seal.policy
    assert facts["entry"]["witnesses"] == []
    assert "salt" not in facts  # it stays with the manifest
    assert "not_before" not in facts  # nothing independent bounds the time


def test_witnesses_are_named_when_they_signed() -> None:
    (witness,) = json.loads(derived("good", witnesses=("w1",)))["entry"]["witnesses"]
    assert witness["name"] == "w1"


def test_the_number_is_read_aloud_without_doubt() -> None:
    held = papers("good")
    seal = timestamp.parse(held["seal.tsa"])
    number = certificate.number_of(sha256(held["manifest.json"]), seal)
    assert number == json.loads(held["certificate.json"])["number"]
    day = (seal.attested_at + timedelta(hours=8)).strftime("%Y%m%d")
    assert number.startswith(f"GZ-{day}-")
    assert not set(number[12:]) & set("ILOU")


@given(st.binary(min_size=32, max_size=32))
def test_the_number_holds_fifty_bits(value: bytes) -> None:
    token = replace(
        timestamp.parse(papers("good")["seal.tsa"]),
        attested_at=datetime(2026, 11, 21, 16, tzinfo=UTC),
    )
    number = certificate.number_of(Digest("sha256", value), token)
    assert number.startswith("GZ-20261122-")  # already tomorrow in Beijing
    bits = 0
    for letter in number[12:]:
        bits = bits << 5 | "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(letter)
    assert bits == int.from_bytes(value, "big") >> 206


def test_a_stated_accuracy_is_never_made_better() -> None:
    held = papers("good")
    seal = replace(
        timestamp.parse(held["seal.tsa"]), accuracy=timedelta(milliseconds=1, microseconds=1)
    )
    entry = TlogProof.parse(held["entry.tlog-proof"])
    facts = certificate.derive(
        held["manifest.json"], None, seal, timestamp.require_signature(seal), entry, ()
    )
    again = json.loads(canonical.encode(facts))
    assert again["seal"]["accuracy_milliseconds"] == 2
    without = replace(seal, accuracy=None)
    facts = certificate.derive(
        held["manifest.json"], None, without, timestamp.require_signature(seal), entry, ()
    )
    assert "accuracy_milliseconds" not in json.loads(canonical.encode(facts))["seal"]


def test_what_was_not_claimed_is_not_said() -> None:
    manifest = Manifest.parse(papers("good")["manifest.json"])
    facts = json.loads(derived("good"))
    assert (manifest.claimed_applicant is None) == ("claimed_applicant" not in facts)
    assert "attested_applicant" not in facts


def test_an_attested_name_is_said_with_who_attests_to_it() -> None:
    held = papers("good")
    applicant = AttestedApplicant(
        "杭州某某贸易有限公司",
        "enterprise",
        "review",
        datetime(2026, 11, 20, 8, tzinfo=UTC),
        "某某存证平台",
        "91350100M000100Y43",
    )
    manifest = replace(Manifest.parse(held["manifest.json"]), attested_applicant=applicant)
    seal, entry = timestamp.parse(held["seal.tsa"]), TlogProof.parse(held["entry.tlog-proof"])
    signer = timestamp.require_signature(seal)
    facts = certificate.derive(manifest.encode(), None, seal, signer, entry, ())
    assert facts["attested_applicant"] == {
        "name": "杭州某某贸易有限公司",
        "kind": "enterprise",
        "means": "review",
        "attested_at": "2026-11-20T08:00:00.000Z",
        "attested_by": "某某存证平台",
        "uscc": "91350100M000100Y43",
    }
