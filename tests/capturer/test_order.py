"""Orders are read strictly: what weakens a capture can only be meant."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.capturer.bounds import USUAL
from guzheng.capturer.failures import CaptureFailed
from guzheng.capturer.order import CaptureOrder, require_url
from guzheng.proof import canonical

_ORDER: dict[str, object] = {
    "schema": "guzheng.capture-order/1",
    "exhibit": "ex_" + "0" * 26,
    "url": "https://example.org/",
    "allow_private": [],
}


def _parse(**more: object) -> CaptureOrder:
    return CaptureOrder.parse(canonical.encode({**_ORDER, **more}))


def test_the_least_order() -> None:
    order = _parse()
    assert order.url == "https://example.org/"
    assert order.limits == USUAL
    assert order.allow_private == ()
    assert order.trust_spki == ()


def test_limits_that_are_not_named_stay_as_usual() -> None:
    assert _parse(limits={"bytes": 5}).limits == dataclasses.replace(USUAL, bytes=5)


@pytest.mark.parametrize(
    "more",
    [
        {"schema": "guzheng.capture-order/2"},
        {"exhibit": "../../etc"},
        {"allow_private": ["10.0.0.1/8"]},
        {"allow_private": ["everything"]},
        {"allow_private": "10.0.0.0/8"},
        {"trust_spki": ["c2hvcnQ="]},
        {"trust_spki": ["x,y"]},
        {"limits": {"bytes": -1}},
        {"limits": {"patience": 1}},
        {"lang": "zh-CN --no-sandbox"},
        {"no_sandbox": True},
    ],
)
def test_refused(more: dict[str, object]) -> None:
    with pytest.raises(CaptureFailed) as caught:
        _parse(**more)
    assert caught.value.code == "capture.order-malformed"


@given(st.binary(max_size=200))
def test_octets_that_are_no_order(octets: bytes) -> None:
    with pytest.raises(CaptureFailed):
        CaptureOrder.parse(octets)


@given(st.text(max_size=80))
def test_a_url_is_taken_or_refused_and_nothing_else(text: str) -> None:
    try:
        url = require_url(text)
    except CaptureFailed as failure:
        assert failure.code in {"capture.url-not-http", "capture.url-with-password"}
    else:
        assert url.lower().startswith(("http://", "https://"))
