"""Whether a capture came from where its address points, and how soon it was sealed: one
verdict from the notes, the same in the certificate, the rehearsal and on the list."""

from dataclasses import replace

import pytest

from guzheng import origin
from guzheng.certify.document import document_of
from guzheng.proof import instant
from tests.stations.certify_cases import CAPTURE, facts
from tests.stations.test_certify_document import GIVEN, said, words_of
from tests.stations.test_rehearsal import WHOLE, with_capture, with_environment

_PRIVATE = "capture.private-addresses-allowed"
_FAILED = "来源核查：未通过。"


@pytest.mark.parametrize(
    ("notes", "code", "because"),
    [
        ([], origin.PASSED, ()),
        (["capture.picture-cut"], origin.PASSED, ()),
        ([_PRIVATE], origin.RESERVED, (_PRIVATE,)),
        (["capture.resolvers-differ"], origin.RESERVED, ("capture.resolvers-differ",)),
        ([_PRIVATE, origin.PRESET], origin.FAILED, (origin.PRESET,)),
        ([origin.DIFFERS, origin.PRESET], origin.FAILED, (origin.PRESET, origin.DIFFERS)),
        ([origin.PROXIED], origin.RESERVED, (origin.PROXIED,)),
    ],
)
def test_the_notes_become_one_verdict(
    notes: list[str], code: str, because: tuple[str, ...]
) -> None:
    found = origin.judge(notes)
    assert (found.code, found.because) == (code, because)


def test_nothing_is_said_of_what_contacted_nobody() -> None:
    failed = {"notes": [], "failure": {"code": "capture.url-not-http"}, "attempted": []}
    assert origin.of_facts(failed) is None
    assert origin.of_facts(None) is None
    tried = origin.of_facts({**failed, "attempted": [{"host": "shop.example"}]})
    assert tried is not None
    assert tried.code == origin.PASSED


def _web_rows(**changed: object) -> list[str]:
    document = document_of(facts("web", capture={**CAPTURE, **changed}), GIVEN)
    sections = document["sections"]
    assert isinstance(sections, list)
    (web,) = (one for one in sections if one["title"]["zh"] == "网页取证")
    return [said(row) for row in web["rows"]]


def test_the_certificate_warns_before_anything_else_of_the_page() -> None:
    first, *rest = _web_rows(notes=[origin.PRESET])
    assert first.startswith(f"来源核查\nOrigin check\n{_FAILED}")
    assert "hosts 文件" in first
    assert not any("来源核查" in one for one in rest)
    document = document_of(facts("web", capture={**CAPTURE, "notes": [origin.PRESET]}), GIVEN)
    assert "'style': 'warn'" in str(document["sections"])
    whole = said(document)
    assert whole.count("有域名写在本机 hosts 文件里") == 1  # and not among the notes again
    assert "所取内容来自网址所指的服务器：来源核查未通过。" in whole


def test_a_capture_that_passed_says_what_was_looked_at_in_one_line() -> None:
    first, *rest = _web_rows()
    assert first.startswith("请求网址")
    (row,) = (one for one in rest if one.startswith("来源核查"))
    assert row.count("\n") == 4  # the label and the sentence, each in two languages
    assert "未见异常" in row
    assert "hosts" in row
    (row,) = (one for one in _web_rows(notes=[_PRIVATE]) if one.startswith("来源核查"))
    assert "有保留" in row
    assert "未见异常" not in row


@pytest.mark.parametrize(
    ("sealed_at", "number", "words"),
    [
        ("2026-11-21T10:44:12.038Z", "间隔 9.305 秒", ""),
        ("2026-11-21T10:45:02.733Z", "间隔 60.000 秒", ""),
        ("2026-11-21T10:45:02.734Z", "间隔 60.001 秒", "间隔超过 60 秒"),
        ("2026-11-21T12:44:02.733Z", "间隔 7,200.000 秒", "间隔超过 60 秒"),
        ("2026-11-21T10:44:02.000Z", "间隔 -0.733 秒", ""),  # a token of whole seconds
        ("2026-11-21T10:44:01.000Z", "间隔 -1.733 秒", "两个时钟不一致"),
    ],
)
def test_the_gap_between_capture_and_seal_is_a_number(
    sealed_at: str, number: str, words: str
) -> None:
    given = facts("web")
    seal = given["seal"]
    assert isinstance(seal, dict)
    text = said(document_of({**given, "seal": {**seal, "attested_at": sealed_at}}, GIVEN))
    assert f"取证结束至签发\nFrom its end to the seal\n{number}\n" in text
    for one in ("间隔超过 60 秒", "两个时钟不一致"):
        assert (one in text) == (one == words)


def test_the_gap_of_what_was_brought_begins_when_it_was_received() -> None:
    assert "收到至签发\nFrom receipt to the seal\n间隔 2.526 秒\n" in words_of()
    late = instant.encode(instant.parse("2026-11-21T10:43:00.000Z"))
    assert "间隔超过 60 秒" in words_of(observed_at=late)


_FAILURE = {
    "code": "capture.connection-refused",
    "expected": "a server that accepts the connection",
    "found": "connection refused",
    "act": "nobody",
}


def _attempt(host: str, notes: list[str]) -> str:
    attempted = {
        "host": host, "port": 443, "outcome": "not-connected", "answers": ["203.0.113.7"],
        "peer": "", "because": "",
    }  # fmt: skip
    capture = {**CAPTURE, "notes": notes, "failure": _FAILURE, "attempted": [attempted]}
    return said(document_of(facts("web-attempt", capture=capture, items=[]), GIVEN))


@pytest.mark.parametrize("host", ["203.0.113.7", "2001:db8::7", "[2001:db8::7]"])
def test_an_address_is_not_said_to_have_been_resolved(host: str) -> None:
    text = _attempt(host, [])
    assert "没有域名解析" in text
    assert "域名解析：203.0.113.7" not in text


def test_a_name_that_was_led_astray_is_no_page_that_was_gone() -> None:
    text = _attempt("shop.example", [origin.PRESET])
    assert "域名解析：203.0.113.7" in text
    assert text.index(_FAILED) < text.index("请求网址")


def test_the_rehearsal_judges_records_of_before_too() -> None:
    from guzheng.cases import objections

    def r_2(record: object) -> str:
        told = objections.rehearse(record)  # type: ignore[arg-type]
        return str(next(one for one in told.objections if one.number == "R-2"))

    assert "origin-passed" in r_2(WHOLE)
    assert "origin-failed" in r_2(with_capture(notes=[origin.PRESET]))
    far = r_2(with_capture(vantage={"name": "far", "means": "socks"}))
    assert "origin-failed" not in far
    assert "origin-passed" not in far
    network = {"names_preset": ["shop.example"], "proxy_variables": []}
    assert "origin-failed" in r_2(with_environment(network=network))
    differs = [
        {**one, "host": "shop.example", "agreement": "different"}
        for one in WHOLE.capture["connections"]
    ]
    for scheme, marked in (("http", True), ("https", False)):  # a certificate proves the name
        url = f"{scheme}://shop.example/7"
        asked = {
            **WHOLE.capture,
            "requested_url": url,
            "final_url": url,
            "connections": differs,
        }
        assert ("origin-failed" in r_2(replace(WHOLE, capture=asked))) is marked, scheme
