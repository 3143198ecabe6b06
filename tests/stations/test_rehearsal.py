"""Rehearsals: each of the twenty-two rules, answered and not, and that nothing is a score."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng import words
from guzheng.cases import objections, rehearsal
from guzheng.cases.objections import RULES, rehearse
from guzheng.cases.rehearsal import (
    ANSWERED,
    NOT_APPLICABLE,
    NUMBERS,
    OPEN,
    PARTLY,
    STATES,
    InCase,
    Objection,
    Record,
)
from guzheng.proof import timestamp

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
CASE = InCase("ca_1", "公开页面，未登录", "passed", 4, 4)
CONNECTION = {"kind": "page", "host": "shop.example", "agreement": "same"}
CAPTURE: Mapping[str, Any] = {
    "software": "guzheng-capturer 1",
    "grade": "full",
    "missing": [],
    "control": {"equal": "yes"},
    "connections": [CONNECTION],
    "tls": [{"host": "shop.example"}],
    "transcript": {"connections": 1},
    "viewer": {"binary_digest": "sha256:00"},
    "steps": [{"step": "page.opened"}],
    "notes": ["capture.banner-shown"],
    "limits_hit": [],
    "private_addresses_allowed": [],
    "trusted_spki": [],
    "completeness": {"recorded": 7, "missing_in_all": 0, "unopened": 0},
    "scope": [],
    "observed_finished_at": "2026-11-22T01:00:00.000Z",
}
ENVIRONMENT: Mapping[str, Any] = {
    "profile": {"entries_at_start": [], "cookies_at_start": 0},
    "network": {"names_preset": [], "proxy_variables": []},
}
FACTS: Mapping[str, Any] = {
    "items": [
        {"name": name, "role": "original", "media_type": "application/octet-stream"}
        for name in ("page.wacz", "view.png", "dom.html", "environment.json")
    ],
    "manifest_digests": ["sha256:00", "sm3:00"],
    "seal": {
        "attested_at": "2026-11-22T01:00:05.000Z",
        "policy": "1.2.3",
        "accuracy_milliseconds": 500,
    },
    "entry": {"index": 7, "witnesses": [{"name": "w.example", "attested_at": ""}]},
}
NAMES = frozenset(
    {
        *("manifest.json", "capture.json", "seal.tsa", "leaf", "entry.tlog-proof"),
        *("certificate.json", "certificate.pdf", "items/page.wacz", "tokens/page.wacz.tsa"),
        *("items/trace.json", "items/act.mkv", "moments/opening.tsa", "custody.jsonl"),
    }
)
WHOLE = Record(
    exhibit="ex_1",
    kind="web",
    names=NAMES,
    facts=FACTS,
    capture=CAPTURE,
    environment=ENVIRONMENT,
    outside={"seal.one.tsa": "CN=One", "seal.two.tsa": "CN=Two"},
    received_at=NOW,
    now=NOW,
    vouched_until=NOW + timedelta(days=3000),
    verified="passed",
    twins=1,
    repeats=1,
    case=CASE,
)
PICTURE = {"name": "a.jpg", "role": "original", "media_type": "image/jpeg"}
FILM = {"name": "a.mp4", "role": "original", "media_type": "video/mp4"}
TEXT = {"name": "a.txt", "role": "original", "media_type": "text/plain"}
FILE = replace(
    WHOLE, kind="deposit", capture={}, environment={}, facts={**FACTS, "items": [TEXT]}
)
BARE = Record("ex_2", "deposit")


def with_capture(**changed: object) -> Record:
    return replace(WHOLE, capture={**CAPTURE, **changed})


def with_environment(**changed: object) -> Record:
    return replace(WHOLE, environment={**ENVIRONMENT, **changed})


def with_facts(**changed: object) -> Record:
    return replace(WHOLE, facts={**FACTS, **changed})


def without(record: Record, *names: str) -> Record:
    return replace(record, names=record.names - set(names))


def file_of(*items: Mapping[str, str]) -> Record:
    return replace(FILE, facts={**FACTS, "items": list(items)})


def in_case(**changed: Any) -> Record:
    return replace(WHOLE, case=replace(CASE, **changed))


UNWITNESSED = with_facts(entry={"index": 7, "witnesses": []})
DOUBTFUL = with_facts(seal={**FACTS["seal"], "policy": timestamp.CLOCK_NOT_VERIFIED})
LATE = with_facts(seal={**FACTS["seal"], "attested_at": "2026-11-22T01:05:00.000Z"})
EARLY = with_facts(seal={**FACTS["seal"], "attested_at": "2026-11-22T00:59:00.000Z"})
USED = {"profile": {"entries_at_start": ["Default"], "cookies_at_start": 3}}
PRESET = {"network": {"names_preset": ["shop.example"], "proxy_variables": []}}
PROXY = {"network": {"names_preset": [], "proxy_variables": ["https_proxy"]}}
HASH = replace(FILE, kind="hash-only", names=NAMES - {"items/page.wacz"})

# Number, record, state, and a code that must stand among its points.
TRIED = [
    ("R-1", WHOLE, ANSWERED, "grade-full"),
    ("R-1", with_capture(grade="reduced", missing=["grade.cgroup"]), PARTLY, "grade-reduced"),
    ("R-1", with_capture(grade="reduced", missing=["grade.transcript"]), ANSWERED,
     "surroundings-given"),
    ("R-1", with_capture(control={"equal": "no"}), OPEN, "control-differs"),
    ("R-1", with_environment(**USED), OPEN, "profile-used"),
    ("R-1", replace(WHOLE, environment={}), PARTLY, "no-environment-report"),
    ("R-1", FILE, OPEN, "device-unknown"),
    ("R-2", WHOLE, ANSWERED, "resolvers-agree"),
    ("R-2", with_environment(**PRESET), OPEN, "hosts-preset"),
    ("R-2", with_environment(**PROXY), PARTLY, "proxy-set"),
    ("R-2", with_capture(connections=[{**CONNECTION, "agreement": "different"}]), PARTLY,
     "resolvers-differ"),
    ("R-2", with_capture(connections=[{**CONNECTION, "agreement": "unasked"}]), PARTLY,
     "one-resolver"),
    ("R-2", with_capture(private_addresses_allowed=["10.0.0.0/8"]), OPEN, "private-allowed"),
    ("R-2", with_capture(trusted_spki=["x"]), OPEN, "keys-trusted"),
    ("R-2", with_capture(tls=[]), PARTLY, "no-tls"),
    ("R-2", FILE, NOT_APPLICABLE, ""),
    ("R-3", WHOLE, ANSWERED, "captured-here"),
    ("R-3", FILE, OPEN, "uploaded"),
    ("R-4", WHOLE, ANSWERED, "browser-verified"),
    ("R-4", with_capture(missing=["grade.program-verified"]), PARTLY, "browser-unverified"),
    ("R-4", file_of(PICTURE), OPEN, "app-unknown"),
    ("R-4", file_of(TEXT), NOT_APPLICABLE, ""),
    ("R-5", WHOLE, ANSWERED, "step-log"),
    ("R-5", with_capture(limits_hit=["capture.limit-bytes"]), PARTLY, "limits-hit"),
    ("R-5", with_capture(notes=["capture.print-missing"]), PARTLY, "artefacts-absent"),
    ("R-5", FILE, OPEN, "steps-unknown"),
    ("R-6", WHOLE, PARTLY, "origin-signed"),
    ("R-6", BARE, OPEN, "content-not-proved"),
    ("R-7", WHOLE, ANSWERED, "verified"),
    ("R-7", replace(WHOLE, verified="failed"), OPEN, "verify-failed"),
    ("R-7", replace(WHOLE, verified=""), OPEN, "not-verified-now"),
    ("R-7", HASH, PARTLY, "original-elsewhere"),
    ("R-7", replace(HASH, original_beside=True), ANSWERED, "verified"),
    ("R-8", WHOLE, ANSWERED, "entry"),
    ("R-8", without(WHOLE, "entry.tlog-proof"), PARTLY, "on-its-road"),
    ("R-8", BARE, OPEN, "on-its-road"),
    ("R-9", WHOLE, ANSWERED, "outside-authority"),
    ("R-9", replace(WHOLE, outside={"seal.tsa": "CN=One"}), PARTLY, "outside-authorities-few"),
    ("R-9", replace(WHOLE, outside={"a": "CN=One", "b": "CN=One"}), PARTLY,
     "outside-authorities-few"),
    ("R-9", UNWITNESSED, PARTLY, "no-witness"),
    ("R-9", replace(UNWITNESSED, outside={}), OPEN, "relation-not-stated"),
    ("R-10", WHOLE, ANSWERED, "trace"),
    ("R-10", without(WHOLE, "items/trace.json"), PARTLY, "no-trace"),
    ("R-10", with_facts(items=[TEXT]), PARTLY, "few-artefacts"),
    ("R-10", FILE, OPEN, "not-corroborated"),
    ("R-10", file_of(TEXT, PICTURE), PARTLY, "several-files"),
    ("R-11", WHOLE, ANSWERED, "no-anchor-claimed"),
    ("R-11", replace(WHOLE, names=NAMES | {"anchors/checkpoint.tlog-proof"}), ANSWERED,
     "anchored"),
    ("R-11", without(WHOLE, "certificate.pdf"), OPEN, "on-its-road"),
    ("R-12", WHOLE, ANSWERED, "complete-on-wire"),
    ("R-12", with_capture(completeness={"recorded": 7, "missing_in_all": 2}), PARTLY, "gaps"),
    ("R-12", with_capture(completeness={"recorded": 7, "missing_in_all": 0, "unopened": 1}),
     PARTLY, "connections-unopened"),
    ("R-12", without(with_capture(completeness=None), "items/act.mkv"), OPEN,
     "wire-not-compared"),
    ("R-12", file_of(FILM), OPEN, "cuts-unchecked"),
    ("R-12", file_of(TEXT), NOT_APPLICABLE, ""),
    ("R-13", WHOLE, ANSWERED, "outside-time"),
    ("R-13", replace(WHOLE, outside={}), ANSWERED, "clock-kept"),
    ("R-13", replace(DOUBTFUL, outside={}), OPEN, "clock-unverified"),
    ("R-13", DOUBTFUL, PARTLY, "clock-unverified"),
    ("R-13", with_capture(missing=["grade.clock-verified"]), PARTLY,
     "capture-clock-unverified"),
    ("R-13", BARE, OPEN, "on-its-road"),
    ("R-14", WHOLE, ANSWERED, "no-account"),
    ("R-14", with_environment(**USED), PARTLY, "account-unknown"),
    ("R-14", with_capture(scope=[{"code": "scope.login-wall"}]), ANSWERED, "stopped-at-wall"),
    ("R-14", replace(FILE, case=None), OPEN, "legality-unstated"),
    ("R-14", FILE, PARTLY, "legality-unproved"),
    ("R-15", WHOLE, ANSWERED, "licence"),
    ("R-15", replace(WHOLE, case=None), OPEN, "no-case"),
    ("R-15", in_case(licence="identifier.uscc-check"), PARTLY, "licence-fails"),
    ("R-15", in_case(licence="", identity_done=1), OPEN, "no-licence"),
    ("R-15", in_case(identity_done=3), PARTLY, "identity-incomplete"),
    ("R-16", FILE, PARTLY, "says-no-ownership"),
    ("R-16", replace(FILE, case=replace(CASE, is_genuine=True)), PARTLY, "genuine-side"),
    ("R-16", BARE, OPEN, "ownership-unproved"),
    ("R-16", WHOLE, NOT_APPLICABLE, ""),
    ("R-17", WHOLE, ANSWERED, "several-vantages"),
    ("R-17", replace(WHOLE, twins=0), PARTLY, "one-vantage"),
    ("R-17", replace(WHOLE, twins=0, repeats=0), OPEN, "once"),
    ("R-17", with_capture(scope=[{"code": "scope.geo-block"}]), PARTLY, "geo-blocked"),
    ("R-17", FILE, NOT_APPLICABLE, ""),
    ("R-18", WHOLE, ANSWERED, "originals-kept"),
    ("R-18", without(WHOLE, "custody.jsonl"), PARTLY, "copies-not-recorded"),
    ("R-18", FILE, PARTLY, "carrier-unknown"),
    ("R-18", BARE, OPEN, "copies-not-recorded"),
    ("R-19", WHOLE, ANSWERED, "vouched-until"),
    ("R-19", replace(WHOLE, vouched_until=NOW + timedelta(days=30)), PARTLY, "ends-soon"),
    ("R-19", replace(WHOLE, vouched_until=NOW), OPEN, "ended"),
    ("R-19", replace(WHOLE, vouched_until=None), PARTLY, "end-unknown"),
    ("R-19", BARE, OPEN, "end-unknown"),
    ("R-20", WHOLE, ANSWERED, "certificate-pdf"),
    ("R-20", BARE, OPEN, "on-its-road"),
    ("R-21", WHOLE, ANSWERED, "append-only"),
    ("R-21", UNWITNESSED, PARTLY, "no-witness"),
    ("R-21", BARE, OPEN, "on-its-road"),
    ("R-22", WHOLE, ANSWERED, "sealed-at-once"),
    ("R-22", LATE, PARTLY, "gap-long"),
    ("R-22", EARLY, OPEN, "gap-negative"),
    ("R-22", FILE, PARTLY, "made-when"),
    ("R-22", BARE, OPEN, "on-its-road"),
]  # fmt: skip


def one(record: Record, number: str) -> Objection:
    return next(each for each in rehearse(record).objections if each.number == number)


@pytest.mark.parametrize(
    ("number", "record", "state", "code"),
    TRIED,
    ids=[f"{number}-{state}-{code}" for number, _, state, code in TRIED],
)
def test_each_rule(number: str, record: Record, state: str, code: str) -> None:
    found = one(record, number)
    assert found.state == state, found
    points = [*found.answers, *found.against, *found.missing]
    assert not code or code in {each.code for each in points}
    if state in {OPEN, PARTLY}:
        assert found.cures, "whoever has something to answer is told how"


def test_each_rule_is_tried_answered_and_not() -> None:
    tried = {number: {state for each, _, state, _ in TRIED if each == number}
             for number in NUMBERS}  # fmt: skip
    assert set(tried) == set(RULES)
    never_whole = {"R-6", "R-16"}  # no record answers these by itself, and none is said to
    for number, states in tried.items():
        assert OPEN in states or PARTLY in states, number
        assert ANSWERED in states or number in never_whole, number


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_everything_that_is_said_has_words(language: words.Language) -> None:
    for number in NUMBERS:
        for part in ("objection", "norm"):
            assert words.say(f"rehearsal.{part}.{number.lower()}", language)
    for state in STATES:
        assert words.say(f"rehearsal.state.{state}", language)
        assert words.say(f"rehearsal.means.{state}", language)
    for _, record, _, _ in TRIED:
        for found in rehearse(record).objections:
            for each in (*found.answers, *found.against, *found.missing):
                assert words.say(f"rehearsal.point.{each.code}", language)
            for cure in found.cures:
                assert words.say(f"rehearsal.cure.{cure}", language)


def test_nothing_said_promises_a_finding_or_gives_a_score() -> None:
    forbidden = re.compile(
        r"区块链|司法链|采信率|胜诉|评分|得分|\bscore\b|will be admitted|guarantee"
    )
    known = words.catalogue("zh"), words.catalogue("en")
    for catalogue in known:
        for code, text in catalogue.items():
            if code.startswith("rehearsal."):
                assert not forbidden.search(text), code
    value = rehearse(WHOLE).value()
    assert set(value) == {"schema", "exhibit", "kind", "objections"}


@given(
    st.dictionaries(
        st.sampled_from([*CAPTURE, "grade", "vantage"]),
        st.none() | st.just([]) | st.just({}),
        max_size=4,
    ),
    st.frozensets(st.sampled_from(sorted(NAMES))),
    st.sampled_from(["web", "web-attempt", "deposit", "hash-only"]),
)
def test_whatever_is_missing_no_rule_breaks_and_none_is_answered_by_silence(
    absent: Mapping[str, object], names: frozenset[str], kind: str
) -> None:
    capture = {name: one for name, one in CAPTURE.items() if name not in absent}
    told = rehearse(replace(WHOLE, kind=kind, capture=capture, names=names))
    assert [each.number for each in told.objections] == list(NUMBERS)
    for each in told.objections:
        assert each.state in STATES
        assert (each.state == ANSWERED) <= bool(each.answers)
        assert each.state != ANSWERED or not (each.missing or each.against)


def test_an_exhibit_of_which_nothing_is_known_answers_nothing() -> None:
    for kind in ("web", "web-attempt", "deposit", "hash-only"):
        told = rehearse(Record("ex_3", kind))
        assert told.of(ANSWERED) == (), kind


def test_the_rules_are_those_of_the_list() -> None:
    assert list(NUMBERS) == [f"R-{number}" for number in range(1, 23)]
    assert objections.rehearse(WHOLE).of(OPEN) == ()
    assert rehearsal.SCHEMA == "guzheng.rehearsal/1"
