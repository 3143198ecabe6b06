"""What pages say of witnesses: who has cosigned, who is awaited, and that nobody is asked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.config import load
from guzheng.refusals import Unavailable
from guzheng.web import create_app
from tests.faces.conftest import Face, serving
from tests.road.deaths import silent
from tests.witnesses import Witness, environment_of, three

Three = tuple[Witness, Witness, Witness]


@pytest.fixture
def witnesses() -> Iterator[Three]:
    with three() as those:
        yield those


@pytest.fixture
def witnessed(tmp_path: Path, witnesses: Three) -> Platform:
    return Platform(load(tmp_path / "data", environment=environment_of(tmp_path, witnesses)))


@pytest.fixture
def page(witnessed: Platform) -> Iterator[Face]:
    with serving(create_app(witnessed)) as face:
        yield face


def test_who_has_cosigned_and_who_is_awaited(
    page: Face, witnessed: Platform, witnesses: Three
) -> None:
    witnesses[2].mood = "busy"
    sealed = witnessed.deposit("a.txt", [b"a"])
    witnessed.walk(sealed, silent)
    shown = page.client.get(f"/exhibits/{sealed}", params={"lang": "zh"}).text
    assert "日志第 0 条，见证人：court、notary" in shown
    assert "目前没有独立见证人联署" not in shown
    witnesses[1].mood = "busy"
    waiting = witnessed.deposit("b.txt", [b"b"])
    with pytest.raises(Unavailable):
        witnessed.walk(waiting, silent)
    for language, words in (
        ("zh", "日志第 1 条，已签入检查点；等待见证人：notary、school"),
        ("en", "Log entry 1; under a signed checkpoint; awaited witnesses: notary, school"),
    ):
        shown = page.client.get(f"/exhibits/{waiting}", params={"lang": language}).text
        assert words in shown
    ledger = page.client.get("/ledger", params={"lang": "zh"}).text
    assert "没有独立见证人" not in ledger
    assert "等待联署" in ledger
    checkpoint = page.client.get("/checkpoint").text
    assert checkpoint.split("\n")[1] == "1"  # below the quorum nothing is public
    assert checkpoint.count("example/witness") == 2


def test_before_the_first_quorum_nothing_is_public(
    page: Face, witnessed: Platform, witnesses: Three
) -> None:
    for one in witnesses[1:]:
        one.mood = "forges"
    waiting = witnessed.deposit("a.txt", [b"a"])
    with pytest.raises(Unavailable):
        witnessed.walk(waiting, silent)
    assert page.client.get("/checkpoint").status_code == 404
    assert page.client.get("/tile/0/000.p/1").status_code == 404
    assert page.client.get("/ledger").status_code == 200
