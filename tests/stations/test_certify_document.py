"""What a certificate says: derived from the facts, in both languages, claiming no more."""

import re
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from guzheng import fix
from guzheng.certify import wording
from guzheng.certify.document import Circumstances, code_of, document_of
from guzheng.certify.glyphs import pieces, visible
from guzheng.certify.wording import Phrase
from guzheng.proof import timestamp
from guzheng.proof.digest import sha256
from guzheng.proof.errors import Malformed
from guzheng.transcript.limits import MISSING
from tests.stations.certify_cases import CAPTURE, NUMBER, URL, facts, item

WITNESS = {"name": "witness.example.org", "attested_at": "2026-11-21T10:44:13.000Z"}
DRAWN = frozenset(range(0x20, 0xFFFF)) - frozenset(range(0x0600, 0x0700))
GIVEN = Circumstances(DRAWN, "CN=固证证书签章", ("manifest.json", "seal.tsa"), URL)
ALONE = Circumstances(DRAWN, "CN=固证证书签章", ("manifest.json", "seal.tsa"))


def said(document: object) -> str:
    """Every text of a document, lines joined as a reader sees them."""
    match document:
        case str():
            return document + "\n"
        case list() if document and all(isinstance(one, str) for one in document):
            return "".join(document) + "\n"
        case list():
            return "".join(said(one) for one in document)
        case dict():
            return "".join(said(one) for name, one in document.items() if name != "style")
        case _:
            return ""


def words_of(**changed: object) -> str:
    return said(document_of(facts(**changed), GIVEN))  # type: ignore[arg-type]


def every_phrase() -> list[Phrase]:
    found = [one for one in vars(wording).values() if isinstance(one, Phrase)]
    for one in vars(wording).values():
        if isinstance(one, dict):
            found += [phrase for phrase in one.values() if isinstance(phrase, Phrase)]
    return found


def test_no_sentence_promises_what_only_a_court_may_say() -> None:
    forbidden = (
        r"区块链|司法链|上链|法律效力|司法效力|必认|公证|电子认证|权威|合法有效|百分之百|blockchain"
        r"|legally binding|notari[sz]|court-approved|guarantee"
    )
    for phrase in every_phrase():
        assert not re.search(forbidden, f"{phrase.zh} {phrase.en}", re.IGNORECASE), phrase


def test_every_sentence_has_the_same_blanks_in_both_languages_or_is_shown_in_one() -> None:
    for phrase in every_phrase():
        blanks = [set(re.findall(r"{(\w+)}", text)) for text in (phrase.zh, phrase.en)]
        assert blanks[1] <= blanks[0], phrase


def test_who_vouches_is_said_and_nobody_is_called_verified() -> None:
    said_of_named = words_of(claimed_applicant="某某公司")
    assert "某某公司\n未实名：申请人为自述，身份未经核验\n" in said_of_named
    assert "未填写\n未实名：" in words_of()


ATTESTED = {
    "name": "杭州某某贸易有限公司",
    "kind": "enterprise",
    "uscc": "91350100M000100Y43",
    "means": "review",
    "attested_by": "某某存证平台",
    "attested_at": "2026-11-20T08:00:00.000Z",
}


def test_an_attested_name_is_the_applicant_and_says_who_attests() -> None:
    text = words_of(attested_applicant=ATTESTED, claimed_applicant="某某旗舰店")
    assert (
        "杭州某某贸易有限公司\n实名：平台运营者于 2026-11-20 16:00:00.000 (UTC+08:00) 人工"
        in text
    )
    assert "核验者：某某存证平台" in text
    assert "91350100M000100Y43" in text
    assert "申请时另自述为：某某旗舰店（未经核验）" in text
    assert "未实名" not in text
    assert "账号由谁操作不由本证书证明" in text
    # What was typed is repeated only where it says something else.
    same = words_of(attested_applicant=ATTESTED, claimed_applicant=ATTESTED["name"])
    assert "另自述" not in same


def test_a_provider_is_not_called_a_review() -> None:
    person = {
        "name": "张某",
        "kind": "person",
        "means": "provider",
        "attested_at": ATTESTED["attested_at"],
    }
    text = words_of(attested_applicant=person)
    assert "与登记信息比对一致" in text
    assert "人工核对" not in text
    assert "核验者：" not in text


def test_without_an_independent_lower_bound_none_is_invented() -> None:
    band = document_of(facts(), GIVEN)["band"]
    assert isinstance(band, dict)
    assert band["before"]["value"] == "无独立的“不早于”依据"
    assert band["before"]["known"] is False
    assert "文件最早何时形成。" in words_of()


@pytest.mark.parametrize(
    ("contained_in", "sentence"),
    [
        ("content", "见于内容之中：log/x"),
        ("manifest", "见于清单之中：log/x"),
        ("record", "检查点（log/x）；界定的是记录的写成时间"),
    ],
)
def test_a_lower_bound_says_where_it_is_contained(contained_in: str, sentence: str) -> None:
    bound = {"at": "2026-11-21T10:40:07.214Z", "contained_in": contained_in, "source": "log/x"}
    text = words_of(not_before=bound)
    assert "2026-11-21 18:40:07.214 (UTC+08:00)" in text
    assert sentence in text
    # Only a bound in the content itself says anything of the files.
    assert ("文件最早何时形成。" in text) == (contained_in != "content")


def test_a_ledger_without_witnesses_is_said_to_rest_on_the_operator() -> None:
    entry = facts()["entry"]
    assert isinstance(entry, dict)
    alone = "账本尚无见证人；账本未被改写，目前只由运营者一方担保"
    assert alone in words_of()
    witnessed = words_of(entry=entry | {"witnesses": [WITNESS]})
    assert alone not in witnessed
    assert "witness.example.org · 2026-11-21 18:44:13.000 (UTC+08:00)" in witnessed
    assert "没有改写其此前所见" in witnessed
    assert "不是独立第三方" in witnessed
    assert "由上列见证人见证" in witnessed


def test_an_own_authority_is_said_to_be_no_third_party() -> None:
    assert "不是独立第三方" in words_of()
    outside = Circumstances(DRAWN, "CN=x", operator_runs_authority=False)
    assert "时间戳由外部机构签发" in said(document_of(facts(), outside))


OUTSIDE = {
    "paper": "seal.ntsc.tsa",
    "attested_at": "2026-11-21T10:44:12.512Z",
    "authority": "CN=Outside TSA,O=Somebody else",
    "policy": "1.2.3.4.1",
    "serial": "ab12",
}
OURS_AGAIN = {
    **OUTSIDE,
    "paper": "seal.sm2.tsa",
    "authority": "CN=固证本地国密时间戳机构",
    "policy": timestamp.CLOCK_NOT_VERIFIED,
}


def test_who_else_stamped_is_said_with_the_time_and_whether_it_is_an_outside_party() -> None:
    text = words_of(further_seals=[OUTSIDE])
    assert wording.FURTHER_OUTSIDE.zh in text
    assert "CN=Outside TSA,O=Somebody else" in text
    assert "2026-11-21 18:44:12.512 (UTC+08:00) · 令牌序列号 ab12" in text
    assert wording.OUTSIDE_AS_WELL.zh in text
    assert wording.OUTSIDE_AS_WELL.en in text
    assert wording.OWN_AUTHORITY.zh in text, "the first seal is ours all the same"


def test_our_own_second_seal_is_no_outside_party() -> None:
    text = words_of(further_seals=[OURS_AGAIN])
    assert wording.FURTHER_OWN.zh in text
    assert wording.FURTHER_OUTSIDE.zh not in text
    assert wording.OUTSIDE_AS_WELL.zh not in text
    without = words_of().count(wording.CLOCK_NOT_VERIFIED.zh)
    assert text.count(wording.CLOCK_NOT_VERIFIED.zh) == without + 1


def test_a_clock_that_nobody_compared_is_said_to_be_that() -> None:
    seal = facts()["seal"]
    assert isinstance(seal, dict)
    assert "时钟未经核验" in words_of(seal=seal | {"policy": fix.LOCAL_POLICY_OID})
    for policy in (fix.MEASURED_POLICY_OID, "1.2.3.4"):
        assert "时钟未经核验" not in words_of(seal=seal | {"policy": policy})


def test_a_token_without_accuracy_is_said_to_state_none() -> None:
    seal = facts()["seal"]
    assert isinstance(seal, dict)
    assert "精度 ±1,000 毫秒" in words_of()
    without = {name: one for name, one in seal.items() if name != "accuracy_milliseconds"}
    assert "时间戳令牌未载明精度" in words_of(seal=without)


def test_a_web_capture_shows_where_it_went_and_its_development_setting() -> None:
    text = said(document_of(facts("web"), GIVEN))
    for shown in (CAPTURE["requested_url"], CAPTURE["final_url"], "HTTP 状态 200"):
        assert f"{shown}\n" in text
    assert "开发设置" not in text
    assert "他人在其他时间、地点看到的是同一页面。" in text
    allowed = CAPTURE | {"private_addresses_allowed": ["127.0.0.0/8"]}
    loud = said(document_of(facts("web", capture=allowed), GIVEN))
    assert "注意：本次取证使用开发设置，允许访问内网地址 127.0.0.0/8" in loud


def test_how_complete_the_archive_is_stands_there_with_reasons() -> None:
    gap = {"method": "GET", "url": "https://a.example/", "why": "not-recorded", "detail": "x"}
    figure = {
        "requested": 9, "recorded": 6, "seen_on_wire": 7, "unopened": 1, "missing_in_all": 3,
        "missing": [gap, gap, gap | {"why": "never-heard-of"}],
    }  # fmt: skip
    text = said(document_of(facts("web", capture=CAPTURE | {"completeness": figure}), GIVEN))
    assert "网页请求 9 项；存档 6 项；在传输原文中看到 7 项；不全或缺失 3 项" in text
    assert "2 项：浏览器没有得到应答\n" in text
    assert "1 项：never-heard-of\n" in text
    assert "有 1 条连接未能打开" in text
    assert text.count("GET https://a.example/ [not-recorded]") == 2
    assert "取证记录 capture.json 列出" not in text
    assert "以下原因" not in text
    assert "完整性" not in said(document_of(facts("web"), GIVEN))


def test_of_many_gaps_it_says_which_are_named_and_where_the_rest_stands() -> None:
    """A record names a thousand: the certificate must not say that it names each."""
    gap = {"method": "GET", "url": "https://a.example/" + "a" * 999, "why": "not-recorded"}
    figure = {
        "requested": 5000, "recorded": 9, "seen_on_wire": 9, "unopened": 0,
        "missing_in_all": 4991, "missing": [gap] * 100,
    }  # fmt: skip
    text = said(document_of(facts("web", capture=CAPTURE | {"completeness": figure}), GIVEN))
    assert "不全或缺失 4991 项" in text
    assert "以下原因为其中前 100 项的原因" in text
    assert text.count("[not-recorded]") == 12
    assert "以上列出 12 项；取证记录 capture.json 列出前 1,000 项" in text
    assert f"至多 {MISSING:,} 项" in text, "the certificate promises no more than is listed"
    assert "a" * 200 not in text.replace("\n", "")


def test_the_grade_of_the_surroundings_is_printed_with_what_was_missing() -> None:
    short = CAPTURE | {"grade": "reduced", "missing": ["grade.cgroup", "grade.of-later"]}
    text = said(document_of(facts("web", capture=short), GIVEN))
    assert "取证环境不完整" in text
    assert "没有由内核限定内存" in text
    assert "grade.of-later" in text
    full = CAPTURE | {"grade": "full", "missing": []}
    assert "规定的各项条件都已具备" in said(document_of(facts("web", capture=full), GIVEN))


def test_the_sandbox_is_said_in_words_and_why_it_is_no_stronger() -> None:
    def text_with(sandbox: str) -> str:
        capture = CAPTURE | {"sandbox": sandbox}
        return said(document_of(facts("web", capture=capture), GIVEN))

    assert "内核命名空间（最强的一种）" in text_with("namespace")
    off = text_with("off: no usable sandbox")
    assert "浏览器沙箱：未能启用" in off
    assert "no usable sandbox" in off
    assert "of-later: because" in text_with("of-later: because")


def test_a_page_that_was_never_reached_is_said_to_be_so() -> None:
    optional = ("final_url", "observed_title", "observed_status")
    bare = {name: one for name, one in CAPTURE.items() if name not in optional}
    text = said(document_of(facts("web", capture=bare), GIVEN))
    assert "（未到达任何页面）" in text
    assert "无 HTTP 状态" in text


def test_a_note_of_a_later_version_is_shown_by_its_code() -> None:
    noted = CAPTURE | {"notes": ["capture.never-heard-of"]}
    text = said(document_of(facts("web", capture=noted), GIVEN))
    assert "capture.never-heard-of\n" in text


def test_one_file_stands_on_the_first_page_and_many_in_the_annex() -> None:
    assert document_of(facts(), GIVEN)["annex"] is None
    many = document_of(facts(items=[item(f"{n}.jpg") for n in range(60)]), GIVEN)
    annex = many["annex"]
    assert isinstance(annex, dict)
    assert len(annex["items"]) == 60
    assert sha256(b"59.jpg").hex in said(annex).replace("\n", "")
    assert "共 60 个文件" in said(many)


def test_the_code_gives_the_place_to_verify_or_else_what_to_compare() -> None:
    assert code_of(facts(), GIVEN) == f"{URL}/verify#{NUMBER}"
    assert code_of(facts(), ALONE) == f"{NUMBER} {sha256(b'manifest')}"
    assert "http" not in said(document_of(facts(), ALONE))


@pytest.mark.parametrize(
    "changed",
    [
        {"schema": "guzheng.certificate/2"},
        {"later_field": 1},
        {"seal": {}},
        {"items": "many"},
        {"kind": "dream"},
        {"observed_at": "2026-11-21 10:44"},
        {"entry": None},
    ],
)
def test_facts_out_of_their_schema_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        document_of(facts() | changed, GIVEN)


@for_all(st.text())
def test_what_is_shown_has_nothing_unseen_and_can_be_told_apart(text: str) -> None:
    shown = visible(text, DRAWN)
    assert all(one == "‹" or one == "›" or ord(one) in DRAWN for one in shown)
    assert not set(shown) & set("\u202e\u200b\u2066\n\t\x00\ufeff")
    back = re.sub(r"‹U\+([0-9A-F]{4,6})›", lambda m: chr(int(m[1], 16)), shown)
    assert back == text


@for_all(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_cutting_a_text_loses_nothing(text: str) -> None:
    assert "".join(pieces(text)) == text


def test_long_runs_may_break_and_short_words_may_not() -> None:
    assert max(len(part) for part in pieces("https://example.cn/" + "a" * 2000)) <= 24
    assert pieces("independently lodged") == ["independently", " ", "lodged"]
