"""The capture record: one spelling, closed, and every field survives."""

import contextlib
import dataclasses
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.capturer.record import (
    Bounds,
    CaptureRecord,
    Completeness,
    Connection,
    Control,
    Evidence,
    Failure,
    Gap,
    Judgement,
    Lookup,
    Measures,
    Moment,
    Opening,
    Redirect,
    Request,
    SealedKeys,
    SeenCheckpoint,
    Step,
    TlsSession,
    Transcript,
    Vantage,
    Viewer,
)
from guzheng.proof import canonical, capture
from guzheng.proof.digest import sha256, sm3
from guzheng.proof.errors import ProofError
from guzheng.proof.manifest import Item
from tests.capturer.reading import read

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
VIEWER = Viewer(
    browser="Chromium 156.0.8078.79",
    binary="/usr/lib/chromium/chromium",
    binary_size=3,
    binary_digest=sha256(b"elf"),
    flags=("--headless",),
    user_agent="Mozilla/5.0",
    sandbox="namespace",
    viewport_width=1366,
    viewport_height=900,
    language="zh-CN",
    time_zone="Asia/Shanghai",
)
RECORD = CaptureRecord(
    exhibit="ex_" + "0" * 26,
    outcome="captured",
    requested_url="https://example.org/",
    observed_started_at=NOON,
    observed_finished_at=NOON,
    elapsed_milliseconds=2500,
    software="guzheng-capturer 0.1.0",
    private_addresses_allowed=("127.0.0.0/8",),
    trusted_spki=(),
    limits=Bounds(
        wall_seconds=150, page_seconds=60, bytes=9, requests=9, memory_octets=9
    ),
    limits_hit=(),
    notes=("capture.http-error-status",),
    steps=(Step(0, "egress.open", "", "the only way out"),),
    redirects=(
        Redirect("http://example.org/", "https://example.org/", "http", 301),
        Redirect("https://example.org/", "https://example.org/a", "page"),
    ),
    connections=(
        Connection(
            1, "example.org", 443, "page", "connected", ("93.184.216.34",), "", "", 1, 2, 3,
            agreement="different",
            resolvers=(
                Lookup("system", ("93.184.216.34",), ""),
                Lookup("1.1.1.1", ("93.184.216.35",), "", "yes"),
            ),
        ),
        Connection(
            2, "inner", 80, "page", "refused-address", ("10.0.0.1",), "", "x", 0, 0, 3, 4
        ),
    ),
    tls=(
        TlsSession(
            "example.org", "TLS 1.3", "AES_128_GCM", "X25519", "a", "b", NOON, NOON,
            (sha256(b"leaf"),),
        ),
    ),
    requests=(Request(1, "GET", "https://example.org/", "document", "recorded", "", 404, 10),),
    artefacts=(
        Item("page.wacz", "original", "application/wacz", 1, (sha256(b"w"), sm3(b"w"))),
    ),
    final_url="https://example.org/a",
    observed_title="证据",
    observed_status=404,
    options=("video",),
    viewer=VIEWER,
    transcript=Transcript(index=sha256(b"index"), connections=2, octets=3),
    vantage=Vantage("上海", "bind", "192.0.2.1"),
    tls_keys=SealedKeys("openssl enc", 4, sha256(b"clear"), sha256(b"sealed")),
    completeness=Completeness(
        2, 1, 2, 0, 2,
        (Gap("GET", "https://a.example/", "not-recorded"), Gap("GET", "b", "x", "more")),
    ),
    opening=Opening(
        "guzheng.opening/1", "ex_" + "0" * 26, "https://example.org/", "c", NOON,
        SeenCheckpoint("log.example", 7, "cm9vdA==", sha256(b"note")),
    ),
    moments=(Moment("opening", sha256(b"o"), 4, "stamped", sha256(b"t")),),
    scope=(Judgement("scope.login-wall", (Evidence("password-field", "input"),)),),
    control=Control("http://c.invalid/", Measures(sha256(b"b")), Measures(sha256(b"b")), "yes"),
    grade="reduced",
    missing=("grade.cgroup",),
)  # fmt: skip


def test_what_is_written_is_read_back() -> None:
    assert read(RECORD.encode()) == RECORD
    found = capture.CaptureRecord.parse(RECORD.encode())
    assert found.artefacts == RECORD.artefacts
    assert found.fields == {
        name: one
        for name, one in canonical.parse_object(RECORD.encode()).items()
        if name != "schema"
    }


def test_every_field_is_needed_or_optional_and_no_other_is_known() -> None:
    value = canonical.parse_object(RECORD.encode())
    optional = {"final_url", "observed_title", "observed_status", "opening", "control"}
    optional |= {"transcript", "tls_keys", "completeness", "vantage"}
    for name in value:
        less = {key: one for key, one in value.items() if key != name}
        if name in optional | {"options"}:
            capture.CaptureRecord.parse(canonical.encode(less))
        else:
            with pytest.raises(ProofError):
                capture.CaptureRecord.parse(canonical.encode(less))
    with pytest.raises(ProofError):
        capture.CaptureRecord.parse(canonical.encode({**value, "extra": 1}))


def test_a_failure_goes_with_failed_and_only_with_it() -> None:
    value = canonical.parse_object(RECORD.encode())
    failure = dataclasses.asdict(Failure("capture.timed-out", "a", "b", "c"))
    capture.CaptureRecord.parse(
        canonical.encode({**value, "outcome": "failed", "failure": failure})
    )
    for wrong in ({"outcome": "failed"}, {"failure": failure}):
        with pytest.raises(ProofError) as caught:
            capture.CaptureRecord.parse(canonical.encode({**value, **wrong}))
        assert caught.value.code == "capture.outcome"


def named(value: object, path: str = "") -> set[str]:
    """Every field of every part, by its path."""
    if isinstance(value, list):
        return set().union(*(named(one, f"{path}[]") for one in value))
    if not isinstance(value, dict):
        return {path}
    return set().union(*(named(one, f"{path}.{name}") for name, one in value.items()))


def without(value: object, path: str) -> object:
    if not path:
        raise LookupError(path)
    if path.startswith("[]"):
        assert isinstance(value, list)
        return [without(one, path[2:]) if path[2:] in named(one) else one for one in value]
    name, _, _ = path[1:].partition(".")
    name = name.partition("[")[0]
    rest = path[1 + len(name) :]
    assert isinstance(value, dict)
    if not rest or rest == "[]":
        return {key: one for key, one in value.items() if key != name}
    return {**value, name: without(value[name], rest)}


def test_every_field_of_every_part_is_needed_or_optional() -> None:
    """What the capturer may write and what the kernel demands are one list of fields."""
    value = canonical.parse_object(RECORD.encode())
    optional = {
        ".final_url", ".observed_title", ".observed_status", ".redirects[].status",
        ".connections[].ended_milliseconds", ".connections[].resolvers[].authenticated",
        ".vantage.address",
        ".requests[].status", ".requests[].octets",
        ".moments[].token", ".options[]", ".completeness.missing[].detail",
        ".control.expected.body", ".control.observed.body",
    }  # fmt: skip
    paths = named(value)
    assert optional < paths
    for path in paths:
        less = canonical.encode(without(value, path))
        if path in optional:
            capture.CaptureRecord.parse(less)
        else:
            with pytest.raises(ProofError):
                capture.CaptureRecord.parse(less)


def test_no_part_has_room_for_a_further_field() -> None:
    value = canonical.parse_object(RECORD.encode())
    for name in ("limits", "viewer", "opening", "control"):
        part = value[name]
        assert isinstance(part, dict)
        with pytest.raises(ProofError):
            capture.CaptureRecord.parse(canonical.encode({**value, name: {**part, "extra": 1}}))
    for name in (
        "steps",
        "redirects",
        "connections",
        "tls",
        "requests",
        "artefacts",
        "moments",
        "scope",
    ):
        parts = value[name]
        assert isinstance(parts, list)
        with pytest.raises(ProofError):
            capture.CaptureRecord.parse(
                canonical.encode({**value, name: [{**parts[0], "extra": 1}]})
            )


@given(st.data())
def test_any_changed_octet_is_another_record_or_none(data: st.DataObject) -> None:
    octets = bytearray(RECORD.encode())
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ProofError):
        assert read(bytes(octets)) != RECORD


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
))  # fmt: skip
def test_other_json_is_refused(value: object) -> None:
    with pytest.raises(ProofError):
        capture.CaptureRecord.parse(canonical.encode(value))
