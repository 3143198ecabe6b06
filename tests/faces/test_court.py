"""The court asks the ledger: by file, certificate or entry; three answers, and a dispute."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.proof.digest import sha256
from guzheng.prove import Match, Question
from guzheng.refusals import Refused, Unavailable
from guzheng.web import create_app
from tests import plain
from tests.faces.browser import Browser
from tests.faces.conftest import Certified, Face, serving


@pytest.fixture
def facts(face: Face, certified: Certified) -> dict[str, Any]:
    answer = face.client.get(f"/api/exhibits/{certified.exhibit}").json()["certificate"]
    assert isinstance(answer, dict)
    return answer


def asked(face: Face, **params: str) -> dict[str, Any]:
    answer = face.client.get("/api/ledger/lookup", params=params)
    assert answer.status_code == 200, answer.text
    answers = answer.json()["answers"]
    assert len(answers) == 1
    return dict(answers[0])


def test_a_file_is_found_and_the_same(
    face: Face, certified: Certified, facts: dict[str, Any]
) -> None:
    for file in (certified.original, certified.certificate, certified.token):
        answer = asked(face, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
        assert answer["match"] == "consistent"
        assert answer["number"] == facts["number"]
        assert answer["index"] == facts["entry"]["index"]
        assert answer["attested_at"] == facts["seal"]["attested_at"]


def test_number_and_entry_lead_there_too(
    face: Face, certified: Certified, facts: dict[str, Any]
) -> None:
    number, index = facts["number"], str(facts["entry"]["index"])
    digest = hashlib.sha256(certified.original.read_bytes()).hexdigest()
    for question in (
        {"number": number},
        {"number": f" {number.lower()} "},
        {"index": index},
        {"number": number, "index": index, "sha256": digest},
    ):
        assert asked(face, **question)["match"] == "consistent", question


def test_what_is_not_here_is_absent(face: Face, certified: Certified) -> None:
    for question in (
        {"sha256": hashlib.sha256(b"never deposited").hexdigest()},
        {"number": "GZ-20261121-0000000000"},
        {"index": "999999"},
    ):
        assert asked(face, **question)["match"] == "absent", question


def test_a_pair_that_does_not_belong_together_differs(
    face: Face, certified: Certified, facts: dict[str, Any]
) -> None:
    other = hashlib.sha256(b"another file").hexdigest()
    number = str(facts["number"])
    answer = asked(face, number=number, sha256=other)
    assert (answer["match"], answer["code"]) == ("inconsistent", "court.file-of-another")
    day = number.replace(number[3:11], "20200101")
    assert asked(face, number=day)["match"] == "absent"
    answer = asked(face, number=number, index=str(facts["entry"]["index"] + 1))
    assert answer["match"] in {"inconsistent", "absent"}


@pytest.mark.parametrize(
    "question",
    [{}, {"number": "GZ-1"}, {"index": "-1"}, {"sha256": "xyz"}, {"index": "9" * 30}],
)
def test_a_question_that_is_none(face: Face, question: dict[str, str]) -> None:
    answer = face.client.get("/api/ledger/lookup", params=question)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_form_says_what_is_missing_and_what_is_not_on_record(face: Face) -> None:
    empty = face.client.post("/ledger/lookup", data={"number": "", "index": ""})
    assert (empty.status_code, "court.nothing-asked" in empty.text) == (422, True)
    absent = face.client.post("/ledger/lookup", data={"index": "999999"})
    assert absent.status_code == 200
    assert 'class="verdict not-checked"' in absent.text, "amber: it is no green"
    assert not re.search(r'<dl class="facts">\s*</dl>', absent.text)


def test_nobody_learns_a_name(face: Face, certified: Certified) -> None:
    digest = hashlib.sha256(certified.original.read_bytes()).hexdigest()
    for text in (
        face.client.get("/api/ledger/lookup", params={"sha256": digest}).text,
        face.client.get("/ledger", params={"sha256": digest}).text,
    ):
        for private in ("XX商家", "杭州某某公司", certified.exhibit):
            assert private not in text


def test_damage_is_said_and_not_hidden(tmp_path: Path) -> None:
    """Whatever is altered, an answer is never 核验通过 for it."""
    platform = Platform(Config(tmp_path / "data"))
    exhibit = platform.deposit("a.txt", [b"a"])
    assert platform.court(Question(file=sha256(b"a")))[0].match is Match.ABSENT  # on its road
    platform.walk(exhibit, lambda _step, _detail: None)
    assert platform.court(Question(file=sha256(b"a")))[0].match is Match.CONSISTENT
    papers = tmp_path / "data/blobs/exhibits" / exhibit
    bundle = next((tmp_path / "data/blobs/ledger/tile/entries").rglob("*.p/*"))
    for file in (papers / "manifest.json", papers / "seal.tsa", papers / "leaf", bundle):
        before = file.read_bytes()
        file.chmod(0o600)
        for at in (0, len(before) // 2, len(before) - 1):
            file.write_bytes(before[:at] + bytes([before[at] ^ 1]) + before[at + 1 :])
            found = platform.court(Question(index=0))[0]
            if file.name != "leaf":  # the leaf is made again, not believed
                assert found.match is Match.INCONSISTENT, (file, at)
                # Of papers that the ledger contradicts, neither number nor time is repeated.
                assert (found.number, found.attested_at) == ("", None), (file, at)
        file.write_bytes(before)
    assert platform.court(Question(index=0))[0].match is Match.CONSISTENT


def test_a_dispute_is_kept(face: Face, platform: Platform) -> None:
    claims = {
        "about": "GZ-20261121-0000000000",
        "claimed_name": "张三",
        "claimed_contact": "zhang@example.cn",
        "claimed_words": "证书上的时间与我的原件不符。",
    }
    answer = face.client.post(
        "/ledger/disputes", files={k: (None, v) for k, v in claims.items()}
    )
    assert answer.status_code == 201
    kept = [one for one in platform.disputes() if one.claimed_contact == "zhang@example.cn"]
    assert kept[0].dispute in answer.text
    assert kept[0].claimed_words == claims["claimed_words"]
    assert face.client.get(f"/disputes/{kept[0].dispute}").status_code == 404


@pytest.mark.parametrize("missing", ["claimed_contact", "claimed_words"])
def test_a_dispute_that_cannot_be_answered_is_given_back(face: Face, missing: str) -> None:
    claims = {"about": "x", "claimed_contact": "me", "claimed_words": "wrong"}
    claims[missing] = " "
    answer = face.client.post(
        "/ledger/disputes", files={k: (None, v) for k, v in claims.items()}
    )
    assert answer.status_code == 422
    assert "court.dispute-incomplete" in answer.text
    kept = "wrong" if missing == "claimed_contact" else "me"
    assert f"{kept}" in answer.text  # what was typed is not lost


ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
PLACES = ("", "checkpoint", "tile/0/000", "tile/entries/000", "tile/0/x001/000.p/1", "%2e%2e/")


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(beginning=st.sampled_from(PLACES), text=ANY, method=st.sampled_from(["GET", "HEAD"]))
def test_any_path_of_the_ledger_is_served_or_is_not_there(
    face: Face, certified: Certified, beginning: str, text: str, method: str
) -> None:
    """Also in a shard that there is none of; nothing beside the tiles, no fault of ours."""
    for path in (f"/ledger/{beginning}{quote(text)}", f"/ledger/{quote(text)}/{beginning}"):
        answer = face.client.request(method, path)
        assert answer.status_code in (200, 303, 307, 308, 404, 405, 422), (path, answer.text)
        assert b"PRIVATE KEY" not in answer.content


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    asked=st.dictionaries(st.sampled_from(["sha256", "number", "index", "x"]), ANY, max_size=4)
)
def test_any_question_and_any_dispute_has_an_answer(
    face: Face, certified: Certified, asked: dict[str, str]
) -> None:
    known = certified.exhibit.encode()
    for answer in (
        face.client.get("/api/ledger/lookup", params=asked),
        face.client.get("/ledger", params=asked),
        face.client.post("/ledger/lookup", data=asked),
        face.client.post(
            "/ledger/disputes", data={f"claimed_{k}": v for k, v in asked.items()}
        ),
    ):
        assert answer.status_code in (200, 303, 400, 413, 415, 422), answer.text
        assert known not in answer.content


def test_disputes_have_a_measure(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path / "data"))
    claims = {"claimed_contact": "me", "claimed_words": "wrong"}
    with pytest.raises(Refused, match=r"court\.dispute-incomplete"):
        platform.dispute(claims | {"claimed_words": "x" * 5000})
    for _ in range(3):
        platform.dispute(claims)
    folder = next((tmp_path / "data/blobs/disputes").iterdir())
    one = next(folder.iterdir())
    for number in range(500):
        (folder / f"ds_{number}.json").write_bytes(one.read_bytes())
    with pytest.raises(Unavailable, match=r"court\.disputes-full"):
        platform.dispute(claims)
    assert json.loads(one.read_bytes())["claimed_words"] == "wrong"


def test_one_place_does_not_use_up_the_disputes_of_a_day(tmp_path: Path) -> None:
    """Of those that were kept: what was not filled in costs nobody anything."""
    said = {"claimed_contact": "me", "claimed_words": "wrong"}
    platform = Platform(Config(tmp_path / "data"))
    with serving(create_app(platform)) as face:

        def dispute(**changed: str) -> httpx.Response:
            return face.client.post("/ledger/disputes?lang=en", data=said | changed)

        for _ in range(30):
            assert dispute(claimed_words="").status_code == 422
        assert [dispute().status_code for _ in range(21)] == [201] * 20 + [429]
        refused = dispute(claimed_words="what was typed")
        assert int(refused.headers["retry-after"]) > 500
        assert "From this network came many disputes" in refused.text
        assert "what was typed" in refused.text
        assert "passkey" not in refused.text
        assert len(list(platform.disputes())) == 20
        with plain.client(
            base_url=face.address, transport=httpx.HTTPTransport(local_address="127.0.0.2")
        ) as elsewhere:
            assert elsewhere.post("/ledger/disputes", data=said).status_code == 201


@pytest.mark.browser
def test_the_file_stays_on_the_device(
    browser: Browser, face: Face, certified: Certified
) -> None:
    page = browser.page()
    page.open(f"{face.address}/ledger")
    page.choose("#lookup-file", certified.original)
    page.run("document.querySelector('[data-lookup]').requestSubmit()")
    page.wait_for("document.querySelector('[data-verdict]')")
    assert "核验通过" in page.text("[data-verdict]")
    assert page.complaints == []
    page.close()


def test_the_page_says_how_to_run_a_witness(face: Face, certified: Certified) -> None:
    page = face.client.get("/ledger").text
    assert "guzheng-witness add-log" in page
    policy = face.client.get("/ledger.policy").text
    assert policy.startswith("log ")
    assert "quorum" in policy
