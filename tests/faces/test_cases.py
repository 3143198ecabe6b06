"""The pages of cases: filled by plain forms, refused beside what was typed, nothing lost."""

import html
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guzheng import words
from guzheng.app import Platform
from guzheng.web.cases import SHOWN
from tests import plain
from tests.faces.browser import Browser
from tests.faces.conftest import Face

_numbers = itertools.count(1)
AXE = Path(__file__).resolve().parent.parent / "oracles/node/node_modules/axe-core/axe.min.js"
LICENCE = "91110000802100433B"


def deposited(face: Face, name: str) -> str:
    answer = face.client.post(
        "/api/exhibits",
        data={"claimed_name": name},
        files={"file": (f"{name}.txt", f"{name}{next(_numbers)}".encode(), "text/plain")},
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["exhibit"])


def posted(face: Face, address: str, **fields: object) -> str:
    """Where the form leads on to."""
    answer = face.client.post(address, data=fields)
    assert answer.status_code == 303, (answer.status_code, answer.text[-3000:])
    return str(answer.headers["location"])


@pytest.fixture
def face(face: Face) -> Iterator[Face]:
    """The same face, for a reader of Chinese who has no cookie yet."""
    chinese = {"Accept-Language": "zh-CN"}
    with plain.client(base_url=face.address, timeout=60, headers=chinese) as client:
        yield Face(face.address, client)


RED_POINT = bytes.fromhex(  # a PNG of one pixel
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


@pytest.fixture
def case(face: Face) -> str:
    return posted(face, "/cases", name="XX商家_商标侵权_20261122", category="trademark")


def seen(face: Face, address: str) -> str:
    answer = face.client.get(address)
    assert answer.status_code == 200, answer.text[-3000:]
    return str(answer.text)


PARTS = ("", "/parties", "/exhibits", "/damages", "/guide", "/rehearsal", "/letter", "/course")


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_every_page_of_a_case_is_there_in_both_languages(
    face: Face, case: str, language: str
) -> None:
    exhibit = deposited(face, "页面")
    posted(face, f"{case}/exhibits", exhibit=exhibit)
    for part in PARTS:
        page = seen(face, f"{case}{part}?lang={language}")
        assert words.say("page.legal", words.find_language(language) or "zh") in page
    for page in ("/cases", "/cases/new", f"/cases/add?exhibit={exhibit}"):
        assert seen(face, f"{page}{'&' if '?' in page else '?'}lang={language}")


def test_a_case_is_named_by_its_three_parts_and_opened_once(face: Face) -> None:
    page = seen(face, "/cases/new")
    token = re.search(r'name="token" value="(ca_\w+)"', page)
    assert token is not None
    fields = {
        "token": token[1],
        "name_subject": "XX商家",
        "name_scene": "虚假宣传",
        "name_day": "20261122",
    }
    case = posted(face, "/cases", **fields)
    assert posted(face, "/cases", **fields) == case
    assert "XX商家_虚假宣传_20261122" in seen(face, "/cases")
    refused = face.client.post("/cases", data=fields | {"name_day": "20261399"})
    assert refused.status_code == 422
    assert "name.bad-day" in refused.text
    assert 'value="虚假宣传"' in refused.text


def test_what_was_chosen_goes_into_the_case_that_is_opened_for_it(face: Face) -> None:
    exhibit = deposited(face, "主图")
    assert f'href="/cases/new?exhibit={exhibit}"' in seen(face, f"/cases/add?exhibit={exhibit}")
    page = seen(face, f"/cases/new?exhibit={exhibit}")
    assert f'name="exhibit" value="{exhibit}"' in page
    there = posted(face, "/cases", name="某案", exhibit=[exhibit])
    assert there.endswith("/exhibits")
    assert "主图" in seen(face, there)
    refused = face.client.post("/cases", data={"exhibit": exhibit})
    assert refused.status_code == 422
    assert f'value="{exhibit}"' in refused.text, "what was chosen is still there"


def test_what_a_case_has_no_exhibit_for_leads_to_the_list(face: Face, case: str) -> None:
    """And what is linked is a link: the platform's reply, and what a sum rests on."""
    name = case.rpartition("/")[2]
    for part in ("", "/damages"):
        assert f'href="/exhibits?into={name}"' in seen(face, f"{case}{part}")
    reply = deposited(face, "平台答复")
    posted(face, f"{case}/exhibits", exhibit=reply)
    posted(
        face, f"{case}/facts", name="某案", platform_note="未尽审核义务", platform_exhibit=reply
    )
    posted(face, f"{case}/damages", kind="order-amount", amount="1", exhibit=reply)
    cited = face.client.post(f"{case}/remove", data={"part": "exhibit", "subject": reply})
    assert cited.status_code == 409
    assert "<dd>案情、损害</dd>" in cited.text, "where it is referred to"
    page = seen(face, case)
    assert f'<a href="/exhibits/{reply}">平台答复</a>' in page
    assert f'value="{reply}" checked' in page
    posted(face, f"{case}/closing", why="结案")
    assert f"into={name}" not in seen(face, case), "nothing is put into a closed case"


def test_the_course_says_what_each_entry_is_about(face: Face, case: str) -> None:
    exhibit = deposited(face, "订单截图")
    posted(face, f"{case}/exhibits", exhibit=exhibit)
    posted(face, f"{case}/parties", role="target", name="甲公司")
    posted(face, f"{case}/parties", role="logistics", shop="丙店")
    posted(face, f"{case}/damages", kind="order-amount", amount="￥12,345.6元", exhibit=exhibit)
    posted(face, f"{case}/guide", item="A1", exhibit=exhibit)
    posted(face, f"{case}/remove", part="party", subject="p1")
    page = seen(face, f"{case}/course")
    said = ("甲公司", "丙店", "订单金额 ¥ 12,345.60", "A1 · 订单截图")
    assert [one for one in said if f'<span class="name">{one}</span>' not in page] == []
    assert page.count("甲公司") == 2, "where it was added, and where it was removed"


def test_what_a_document_has_no_room_for_is_not_cut_in_silence(face: Face, case: str) -> None:
    exhibit = deposited(face, "甲一")
    posted(face, f"{case}/exhibits", exhibit=exhibit)
    for number in range(12):
        posted(face, f"{case}/parties", role="other", name=f"{number}" + "名" * 100)
    posted(face, f"{case}/exhibits/{exhibit}", purpose="证" * 2000, submitter="claimant")
    page = seen(face, f"/packages/new?case={case.rpartition('/')[2]}")
    kept = re.findall(r"<textarea [^>]*>([^<]*……（未完，全文见案卷）)</textarea>", page)
    assert [len(one) for one in kept] == [1000, 1000], "the parties, and the purpose"


def test_exhibits_of_a_long_case_are_named_by_their_places(
    face: Face, case: str, platform: Platform
) -> None:
    """More boxes than a hundred for every line are of no use on a phone."""
    names = [platform.deposit(f"{n}.txt", [b"place %d" % n]) for n in range(101)]
    platform.cases.link(case.rpartition("/")[2], names)
    empty = seen(face, f"{case}/damages")
    assert empty.count('name="exhibit"') == 1
    assert "填写序号，1 至 101" in empty
    sum_of = {"kind": "order-amount", "amount": "1"}
    posted(face, f"{case}/damages", **sum_of, exhibit="1，３、 101")
    known = platform.cases.case(case.rpartition("/")[2])
    assert known.damages["d1"].exhibits == (names[0], names[2], names[100])
    assert 'value="1, 3, 101"' in seen(face, f"{case}/damages")
    refused = face.client.post(f"{case}/damages", data={**sum_of, "exhibit": "2, 102"})
    assert refused.status_code == 422
    assert 'value="2, 102"' in refused.text, "what was typed stays"
    posted(face, f"{case}/facts", name="某案", platform_exhibit="7")
    facts = platform.cases.case(case.rpartition("/")[2]).facts
    assert facts.platform_exhibits == (names[6],)
    for one in names:
        platform.road._forget(one)


def test_a_party_with_a_licence_that_fails_is_kept_and_marked(face: Face, case: str) -> None:
    posted(face, f"{case}/parties", role="target", name="甲公司", licence=LICENCE.lower())
    posted(face, f"{case}/parties", role="oem-factory", name="乙厂", licence=LICENCE[:-1] + "C")
    page = seen(face, f"{case}/parties")
    assert LICENCE in page
    assert words.say("page.case.number-passed") in page
    assert words.say("proof.identifier.uscc-check") in page
    refused = face.client.post(f"{case}/parties", data={"role": "target", "note": "谁"})
    assert refused.status_code == 422
    assert "谁" in refused.text


def test_what_was_removed_is_put_back_from_the_page(face: Face, case: str) -> None:
    posted(face, f"{case}/parties", role="target", name="甲公司")
    there = posted(face, f"{case}/remove", part="party", subject="p1")
    page = seen(face, there)
    assert 'action="' + case + '/restore"' in page
    assert "甲公司" not in page
    posted(face, f"{case}/restore", part="party", subject="p1")
    assert "甲公司" in seen(face, f"{case}/parties")
    assert case + "/restore" not in seen(face, there), "what is there again is not offered"


def test_exhibits_are_added_several_at_once_and_put_in_order(face: Face, case: str) -> None:
    first, second, third = (deposited(face, name) for name in ("甲一", "乙二", "丙三"))
    choice = seen(face, f"/cases/add?exhibit={first}&exhibit={second}")
    assert "甲一" in choice
    posted(face, "/cases/add", case=case.rpartition("/")[2], exhibit=[first, second])
    posted(face, f"{case}/exhibits", exhibits=f"{third}, {first}")
    posted(face, f"{case}/exhibits/{third}/move", place="1")
    posted(face, f"{case}/exhibits/{second}", purpose="证明乙", submitter="claimant")
    page = seen(face, f"{case}/exhibits")
    assert [page.index(name) for name in ("丙三", "甲一", "乙二")] == sorted(
        page.index(name) for name in ("甲一", "乙二", "丙三")
    )
    assert "证明乙" in page
    nobody = face.client.post("/cases/add", data={"exhibit": first})
    assert nobody.status_code == 422
    typed = " ".join([first, *(f"ex_{number:026}" for number in range(100))])
    many = face.client.post(f"{case}/exhibits", data={"exhibits": typed})
    assert many.status_code == 422, "none is left out in silence"
    assert f'value="{typed}"' in many.text
    for unknown in ("ex_00000000000000000000000000", "x", "../../etc"):
        refused = face.client.post(f"{case}/exhibits", data={"exhibits": unknown})
        assert refused.status_code == 404


def test_exhibits_are_chosen_from_the_list_for_a_case(face: Face, case: str) -> None:
    """By forms alone: searched, chosen over two searches, and put in by one press."""
    name = case.rpartition("/")[2]
    first, second, there = (deposited(face, f"选件{one}") for one in ("甲", "乙", "丙"))
    posted(face, f"{case}/exhibits", exhibits=there)
    at = f"/exhibits?into={name}"
    assert at in seen(face, f"{case}/exhibits"), "the case leads there"
    page = seen(face, f"{at}&q=选件甲&exhibit={second}")
    assert f'name="into" value="{name}"' in page, "and searching does not lose it"
    assert f'formmethod="post" formaction="{case}/exhibits"' in page
    assert f'value="{first}"' in page
    assert f'value="{second}" data-elsewhere' in page
    every = seen(face, f"{at}&q=选件&every=1")
    ticked = re.findall(r'value="(ex_\w+)" (checked|disabled)', every)
    assert {one: word for one, word in ticked if one in {first, second, there}} == {
        first: "checked",
        second: "checked",
        there: "disabled",
    }
    posted(face, f"{case}/exhibits", exhibit=[first, second], q="选件", into=name)
    known = face.client.get(f"/api/cases/{name}").json()
    assert {one["exhibit"] for one in known["exhibits"]} == {first, second, there}
    posted(face, f"{case}/closing", why="结案")
    assert "formmethod" not in seen(face, at), "nothing is put into a closed case"
    assert face.client.get("/exhibits?into=ca_00000000000000000000000000").status_code == 404
    assert face.client.get("/exhibits?into=x").status_code == 404


def test_what_was_typed_and_ticked_stays_after_a_refusal(face: Face, case: str) -> None:
    """In the form that was refused, and in no other that asks for the same."""

    def refused(address: str, **fields: object) -> str:
        answer = face.client.post(f"{case}{address}", data=fields)
        assert answer.status_code == 422, answer.text[-3000:]
        return str(answer.text)

    one, other = (deposited(face, f"陈述件{name}") for name in ("甲", "乙"))
    posted(face, f"{case}/exhibits", exhibit=[one, other])
    long = "说" * 4001
    page = refused(
        f"/exhibits/{one}", purpose=long, relevance="与本案有关", submitter="claimant"
    )
    assert page.count(long) == page.count("与本案有关") == 1
    assert page.index(f'<li id="{one}">') < page.index(long) < page.index(f'<li id="{other}">')
    for part in ("hold", "closing", "notes"):
        page = refused(f"/{part}", why=long)
        assert page.count(long) == 1
        assert page.index(f'action="{case}/{part}"') < page.index(long)
    page = refused("/facts", name="名" * 200, direct="trademark-use")
    assert not re.search(r'name="category" value="\w+" checked', page), "all were unticked"
    posted(face, f"{case}/remove", part="exhibit", subject=one)
    course = seen(face, f"{case}/course")
    assert '<span class="name">陈述件乙</span>' in course, "by its title, and not its number"


def test_the_exhibits_of_a_case_are_shown_in_parts(
    face: Face, case: str, platform: Platform
) -> None:
    names = [platform.deposit(f"{n}.txt", [b"%d" % n]) for n in range(SHOWN + 2)]
    platform.cases.link(case.rpartition("/")[2], names)
    first, then = seen(face, f"{case}/exhibits"), seen(face, f"{case}/exhibits?start={SHOWN}")
    for page, here in ((first, names[:SHOWN]), (then, names[SHOWN:])):
        assert [one for one in names if f'<li id="{one}">' in page] == here
    assert f'href="{case}/exhibits?start={SHOWN}"' in first
    assert f'href="{case}/exhibits?start=0"' in then
    beyond = seen(face, f"{case}/exhibits?start=999")
    assert not any(f'<li id="{one}">' in beyond for one in names)
    last = names[-1]
    forms = {f"{case}/exhibits/{last}/move": {"place": "51"}, f"{case}/exhibits/{last}": {}}
    for address, form in forms.items():
        went = face.client.post(address, data={**form, "submitter": "claimant"})
        assert went.headers["location"].endswith(f"/exhibits?start={SHOWN}#{last}"), (
            "back to it"
        )
    back = face.client.post(f"{case}/exhibits/{last}/move", data={"place": "1"})
    assert back.headers["location"] == f"{case}/exhibits#{last}"
    for one in names:
        platform.road._forget(one)


def test_the_course_of_a_case_is_shown_in_parts(face: Face, case: str) -> None:
    for number in range(SHOWN + 1):
        posted(face, f"{case}/notes", why=f"批注{number}。")
    first, then = seen(face, f"{case}/course"), seen(face, f"{case}/course?start={SHOWN}")
    assert ["批注0。" in first, "批注1。" in first, f"批注{SHOWN}。" in first] == [
        False,
        True,
        True,
    ]
    assert ["批注0。" in then, "批注1。" in then] == [True, False]
    assert first.count("<code>n") == SHOWN
    assert f'href="{case}/course?start={SHOWN}"' in first
    assert f'href="{case}/course"' in then


def test_a_hold_keeps_exhibits_and_says_so(face: Face, case: str, platform: Platform) -> None:
    exhibit = deposited(face, "保留")
    posted(face, f"{case}/exhibits", exhibit=exhibit)
    posted(face, f"{case}/hold", why="已立案")
    assert platform.cases.held(exhibit)
    refused = face.client.post(f"{case}/remove", data={"part": "exhibit", "subject": exhibit})
    assert refused.status_code == 409
    assert "cases.held" in refused.text
    posted(face, f"{case}/remove", part="hold", subject="")
    assert not platform.cases.held(exhibit)
    page = seen(face, f"{case}/course")
    assert page.count(words.say("case.part.hold")) >= 2


def test_what_is_compared_stands_side_by_side(
    face: Face, case: str, walk: Callable[[str], str]
) -> None:
    pictures = []
    for name in ("侵权.png", "正品.png"):
        files = {"file": (name, RED_POINT, "image/png")}
        answer = face.client.post("/api/exhibits", data={"claimed_name": name}, files=files)
        pictures.append(str(answer.json()["exhibit"]))
        walk(pictures[-1])
    posted(face, f"{case}/exhibits", exhibit=pictures)
    posted(face, f"{case}/pairs", kind="goods", infringing=pictures[0], genuine=pictures[1])
    page = seen(face, f"{case}/exhibits")
    for one in pictures:
        assert f'src="/exhibits/{one}/thumbnail"' in page
        assert face.client.get(f"/exhibits/{one}/thumbnail").status_code == 200


def test_in_a_long_case_exhibits_are_chosen_by_their_place(
    platform: Platform, face: Face, case: str
) -> None:
    """A list of hundreds is of no use on a phone."""
    number = case.rpartition("/")[2]
    before = len(platform.cases.case(number).exhibits)
    names = [platform.deposit(f"{one}.txt", [b"same"]) for one in range(101 - before)]
    platform.cases.link(number, names)
    page = seen(face, f"{case}/exhibits")
    assert '<select name="infringing"' not in page
    assert 'name="infringing" inputmode="numeric"' in page
    assert "填写序号，1 至 101" in page
    posted(face, f"{case}/pairs", kind="goods", infringing="101", genuine="100")
    (pair,) = platform.cases.case(number).pairs.values()
    assert (pair.infringing, pair.genuine) == (names[-1], names[-2])
    refused = face.client.post(f"{case}/pairs", data={"infringing": "102", "genuine": "1"})
    assert refused.status_code == 422
    # A package takes a hundred: it says which they are, and where the next begins.
    package = seen(face, f"/packages/new?case={number}")
    assert "这里是第 1 至 100 份" in package
    assert f'href="/packages/new?case={number}&amp;after=100"' in package
    assert f'href="/exhibits/{names[-1]}"' not in package
    rest = seen(face, f"/packages/new?case={number}&after=100")
    assert "这里是第 101 至 101 份" in rest
    assert f'href="/exhibits/{names[-1]}"' in rest
    assert "后面的另做一包" not in rest


def test_as_many_and_as_much_as_a_form_allows_go_into_a_case(
    platform: Platform, face: Face, case: str
) -> None:
    """A hundred ticks, and texts of which a browser sends each character as nine octets."""
    names = [platform.deposit(f"{one}.txt", [b"same"]) for one in range(100)]
    posted(face, f"{case}/exhibits", exhibit=names)
    known = platform.cases.case(case.rpartition("/")[2])
    assert len(known.exhibits) == 100
    long = "证" * 4000
    facts = {"name": known.facts.name, "category": "trademark"}
    posted(face, f"{case}/facts", **facts, about=long, platform_note=long)
    assert platform.cases.case(known.case).facts.about == long
    said = dict.fromkeys(("purpose", "authenticity", "legality", "relevance"), long)
    posted(face, f"{case}/exhibits/{names[0]}", **said, submitter="claimant")
    for one in names:
        platform.road._forget(one)


def test_a_closed_case_shows_no_form_that_would_be_refused(face: Face, case: str) -> None:
    posted(face, f"{case}/closing", why="和解")
    assert f'action="{case}/parties"' not in seen(face, f"{case}/parties")
    refused = face.client.post(f"{case}/parties", data={"role": "target", "name": "x"})
    assert refused.status_code == 409
    posted(face, f"{case}/remove", part="closing", subject="")
    assert f'action="{case}/parties"' in seen(face, f"{case}/parties")


def test_damages_add_up_and_are_taken_away_as_a_table(face: Face, case: str) -> None:
    exhibit = deposited(face, "订单")
    posted(face, f"{case}/exhibits", exhibit=exhibit)
    for kind, amount, label in (
        ("order-amount", "12,345.60", "=HYPERLINK(1)"),
        ("enforcement-cost", "0.05", "公证费"),
        ("market-share", "100", ""),
    ):
        posted(face, f"{case}/damages", kind=kind, amount=amount, label=label, exhibit=exhibit)
    page = seen(face, f"{case}/damages")
    for amount in ("12,345.60", "100.05", "12,445.65"):
        assert amount in page
    answer = face.client.get(f"{case}/damages.csv?lang=zh")
    assert "attachment" in answer.headers["content-disposition"]
    table = answer.content.decode("utf-8-sig")
    assert '"12445.65"' in table
    assert '"\'=HYPERLINK(1)"' in table, "no cell is a formula"
    refused = face.client.post(f"{case}/damages", data={"kind": "overstock", "amount": "1.005"})
    assert refused.status_code == 422
    assert "1.005" in refused.text


def test_the_guide_counts_what_is_answered(face: Face, case: str) -> None:
    exhibit, genuine = deposited(face, "录像"), deposited(face, "正品")
    posted(face, f"{case}/exhibits", exhibit=[exhibit, genuine])
    before = re.search(r"指引 (\d+) / (\d+)", seen(face, f"{case}?lang=zh"))
    fields = {"item": "A2", "exhibit": exhibit, "offset": "1:02", "detail.uscc": "123"}
    posted(face, f"{case}/guide", **fields)
    posted(face, f"{case}/pairs", kind="goods", infringing=exhibit, genuine=genuine)
    page = seen(face, f"{case}/guide?lang=zh")
    after = re.search(r"指引 (\d+) / (\d+)", page)
    assert before is not None
    assert after is not None
    assert (int(before[1]), int(after[1])) == (0, 2)
    assert "录像 1:02 处" in page
    assert words.say("proof.identifier.uscc-malformed") in page
    assert "锁定侵权主体" in seen(face, f"{case}/exhibits"), "the purpose comes from the guide"
    refused = face.client.post(f"{case}/guide", data=fields | {"offset": "1:99"})
    assert refused.status_code == 422
    complaint = {
        "item": "D2",
        "exhibit": exhibit,
        "detail.complained_at": "2026-11-01T09:00",
        "detail.replied_at": "2026-11-09T10:30",
    }
    posted(face, f"{case}/guide", **complaint)
    assert "8 天 1 小时" in seen(face, f"{case}/guide?lang=zh")


def test_a_letter_cites_certificates_and_where_to_check_them(
    face: Face, case: str, walk: Callable[[str], str], platform: Platform
) -> None:
    exhibit = deposited(face, "侵权页面")
    posted(face, f"{case}/exhibits", exhibit=exhibit)
    assert words.say("page.letter.no-exhibits") in seen(face, f"{case}/letter")
    assert walk(exhibit) == "certified"
    posted(face, f"{case}/parties", role="target", name="甲公司")
    text = seen(face, f"{case}/letter.txt?lang=zh")
    facts = platform.exhibit(exhibit).facts
    assert facts is not None
    assert str(facts["number"]) in text
    assert "致：甲公司" in text
    assert "/verify" in text
    assert words.say("page.letter.legal") in text
    assert words.say("page.letter.address-blank") in text, "no public address is set"


def test_two_who_write_at_once_do_not_overwrite_each_other(face: Face, case: str) -> None:
    found = re.search(r'name="seen" value="(\d+)"', seen(face, case))
    assert found is not None
    posted(face, f"{case}/facts", name="甲写的", seen=found[1])
    late = face.client.post(f"{case}/facts", data={"name": "乙写的", "seen": found[1]})
    assert late.status_code == 409
    assert "乙写的" in late.text, "what was typed is not lost"
    assert "甲写的" in seen(face, case)


def test_programs_read_cases_and_rehearsals(face: Face, case: str) -> None:
    exhibit, number = deposited(face, "程序"), case.rpartition("/")[2]
    posted(face, f"{case}/exhibits", exhibit=exhibit)
    listed = face.client.get("/api/cases?limit=1").json()["cases"]
    assert [one["case"] for one in listed] == [number]
    value = face.client.get(f"/api/cases/{number}").json()
    assert [one["exhibit"] for one in value["exhibits"]] == [exhibit]
    told = face.client.get(
        f"/api/exhibits/{exhibit}/rehearsal?case={number}&verify=true"
    ).json()
    assert [one["number"] for one in told["objections"]] == [f"R-{n}" for n in range(1, 23)]
    for wrong, status in (
        ("/api/cases?limit=0", 422),
        ("/api/cases?before=x", 422),
        ("/api/cases/ca_00000000000000000000000000", 404),
        (f"/api/exhibits/{exhibit}/rehearsal?case=x", 404),
    ):
        answer = face.client.get(wrong)
        assert answer.status_code == status, wrong
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_a_rehearsal_names_every_objection_and_no_score(
    face: Face, case: str, walk: Callable[[str], str], language: words.Language
) -> None:
    exhibit = deposited(face, "预演")
    walk(exhibit)
    posted(face, f"{case}/exhibits", exhibit=exhibit)
    number = case.rpartition("/")[2]
    page = html.unescape(
        seen(face, f"/exhibits/{exhibit}/rehearsal?case={number}&lang={language}")
    )
    for objection in range(1, 23):
        assert f'id="R-{objection}"' in page
        assert words.say(f"rehearsal.objection.r-{objection}", language) in page
    assert words.say("rehearsal.point.verified", language) in page, "it was read just now"
    assert words.say("rehearsal.point.no-licence", language) in page, "the case is looked at"
    posted(face, f"{case}/parties", role="target", name="甲", licence=LICENCE)
    page = seen(face, f"/exhibits/{exhibit}/rehearsal?case={number}&lang={language}")
    assert words.say("rehearsal.point.licence", language) in page
    listed = seen(face, f"{case}/rehearsal?lang={language}")
    assert words.say("rehearsal.state.open", language) in listed
    for start in ("-5", "99"):
        seen(face, f"{case}/rehearsal?start={start}")
    other = face.client.get(f"/exhibits/{exhibit}/rehearsal?case=ca_00000000000000000000000000")
    assert other.status_code == 404


# ---- in a browser ----------------------------------------------------------------------------


@pytest.fixture
def keys(browser: Browser, face: Face) -> Iterator[Callable[..., None]]:
    page = browser.page()

    def press(*names: str, text: str = "") -> None:
        for name in names:
            codes = {"Tab": 9, "Enter": 13, " ": 32}
            key = {"key": name, "windowsVirtualKeyCode": codes[name]}
            typed = {"text": "\r"} if name == "Enter" else {"text": " "} if name == " " else {}
            page.call("Input.dispatchKeyEvent", type="keyDown", **key, **typed)
            page.call("Input.dispatchKeyEvent", type="keyUp", **key)
        if text:
            page.call("Input.insertText", text=text)

    press.page = page  # type: ignore[attr-defined]  # the tab that the keys go to
    yield press
    page.close()


def test_a_case_is_made_by_keyboard_alone_on_a_phone(
    keys: Callable[..., None], face: Face, tmp_path: Path
) -> None:
    page = keys.page  # type: ignore[attr-defined]  # see the fixture
    page.size(390, 844, phone=True)
    page.open(f"{face.address}/cases/new?lang=zh")

    def reach(condition: str) -> None:
        for _ in range(80):
            if page.run(f"document.activeElement.matches({condition!r})"):
                return
            keys("Tab")
        raise AssertionError(f"never reached: {condition}")

    reach("[name=name_subject]")
    keys(text="XX商家")
    reach("[name=name_scene]")
    keys(text="键盘建卷")
    reach("[name=category]")
    keys(" ")
    reach("form.case-form > button")
    keys("Enter")
    page.wait_for("location.pathname.startsWith('/cases/ca_')")
    page.wait_for("document.readyState === 'complete'")
    assert "键盘建卷" in page.text("h1")
    assert page.run("document.querySelector('[name=category]').checked")
    for part in PARTS:
        address = page.run("location.pathname").split("/")[2]
        page.open(f"{face.address}/cases/{address}{part}")
        wide = page.run("document.documentElement.scrollWidth")
        assert wide <= 390, part
        small = page.run(
            "[...document.querySelectorAll('main :is(a.button, button, input, select)')]"
            ".filter((one) => one.type !== 'hidden' && one.offsetParent"
            " && !['checkbox', 'radio'].includes(one.type)"
            " && one.getBoundingClientRect().height < 44).map((one) => one.outerHTML)"
        )
        assert small == [], part
        nameless = page.run(
            "[...document.querySelectorAll('main input, main select, main textarea')]"
            ".filter((one) => one.type !== 'hidden' && !one.labels.length)"
            ".map((one) => one.outerHTML)"
        )
        assert nameless == [], part
    assert page.complaints == []


@pytest.mark.skipif(not AXE.exists(), reason="no axe-core here: `make ready` installs it")
def test_a_full_case_has_nothing_that_axe_finds(
    browser: Browser, face: Face, case: str, walk: Callable[[str], str]
) -> None:
    exhibit, genuine = deposited(face, "侵权"), deposited(face, "正品")
    walk(exhibit)
    posted(face, f"{case}/exhibits", exhibit=[exhibit, genuine])
    posted(face, f"{case}/parties", role="target", name="甲公司", licence=LICENCE)
    posted(face, f"{case}/pairs", kind="goods", infringing=exhibit, genuine=genuine)
    posted(face, f"{case}/damages", kind="order-amount", amount="1", exhibit=exhibit)
    posted(face, f"{case}/guide", item="A2", exhibit=exhibit, **{"detail.uscc": "1"})
    posted(face, f"{case}/hold", why="已立案")
    page = browser.page()
    page.size(390, 844, phone=True)
    number = case.rpartition("/")[2]
    for address in (
        *(f"{case}{part}" for part in PARTS),
        f"/exhibits/{exhibit}/rehearsal?case={number}",
        f"/cases/add?exhibit={exhibit}",
    ):
        page.open(face.address + address)
        page.run("document.querySelectorAll('main details').forEach((one) => one.open = true)")
        page.run(AXE.read_text("utf-8") + ";0")
        found = page.run(
            "axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa',"
            " 'wcag21aa', 'wcag22aa', 'best-practice']}).then((told) => told.violations.map("
            "(one) => [one.id, one.nodes.map((node) => node.html.slice(0, 160))]))"
        )
        assert found == [], address
    assert page.complaints == []
    page.close()
