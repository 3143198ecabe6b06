"""The capture record: one spelling, closed, and every field survives."""

import contextlib
import dataclasses
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof import canonical
from guzheng.proof.capture import (
    Bounds,
    CaptureRecord,
    Connection,
    Failure,
    Redirect,
    Request,
    Step,
    TlsSession,
    Viewer,
)
from guzheng.proof.digest import sha256, sm3
from guzheng.proof.errors import ProofError
from guzheng.proof.manifest import Item

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
    limits=Bounds(wall_seconds=150, page_seconds=60, bytes=9, requests=9),
    limits_hit=(),
    notes=("capture.http-error-status",),
    steps=(Step(0, "egress.open", "", "the only way out"),),
    redirects=(
        Redirect("http://example.org/", "https://example.org/", "http", 301),
        Redirect("https://example.org/", "https://example.org/a", "page"),
    ),
    connections=(
        Connection(
            1, "example.org", 443, "page", "connected", ("93.184.216.34",), "", "", 1, 2, 3
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
    viewer=VIEWER,
)  # fmt: skip


def test_what_is_written_is_read_back() -> None:
    assert CaptureRecord.parse(RECORD.encode()) == RECORD
    assert RECORD.browser == "Chromium 156.0.8078.79"
    assert RECORD.sandbox == "namespace"


def test_every_field_is_needed_or_optional_and_no_other_is_known() -> None:
    value = canonical.parse_object(RECORD.encode())
    optional = {"final_url", "observed_title", "observed_status"}
    for name in value:
        less = {key: one for key, one in value.items() if key != name}
        if name in optional:
            CaptureRecord.parse(canonical.encode(less))
        else:
            with pytest.raises(ProofError):
                CaptureRecord.parse(canonical.encode(less))
    with pytest.raises(ProofError):
        CaptureRecord.parse(canonical.encode({**value, "extra": 1}))


def test_a_failure_goes_with_failed_and_only_with_it() -> None:
    value = canonical.parse_object(RECORD.encode())
    failure = dataclasses.asdict(Failure("capture.timed-out", "a", "b", "c"))
    CaptureRecord.parse(canonical.encode({**value, "outcome": "failed", "failure": failure}))
    for wrong in ({"outcome": "failed"}, {"failure": failure}):
        with pytest.raises(ProofError) as caught:
            CaptureRecord.parse(canonical.encode({**value, **wrong}))
        assert caught.value.code == "capture.outcome"


@given(st.data())
def test_any_changed_octet_is_another_record_or_none(data: st.DataObject) -> None:
    octets = bytearray(RECORD.encode())
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ProofError):
        assert CaptureRecord.parse(bytes(octets)) != RECORD


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
))  # fmt: skip
def test_other_json_is_refused(value: object) -> None:
    with pytest.raises(ProofError):
        CaptureRecord.parse(canonical.encode(value))
