"""What halts: why is on its page, it is tried again, and the operator alone can end it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from guzheng import road
from guzheng.accounts import Acting
from guzheng.app import Platform
from guzheng.app.wishes import Wanted
from guzheng.config import Config, load
from guzheng.proof import package
from guzheng.proof.digest import sha256
from guzheng.refusals import Refused, Unavailable
from guzheng.road import folder_of
from guzheng.store.blobs import read
from guzheng.web import create_app
from guzheng.worker import work_until_idle
from tests.faces.conftest import serving
from tests.road.deaths import silent
from tests.road.programs import ran
from tests.road.test_fsck import places
from tests.world import authority

ANNE = Acting("ac_01J000000000000000000000AA", "pe_01J000000000000000000000AA", frozenset())
REASON = "该机构已于 11 月 1 日停止服务"


@pytest.fixture
def stuck(tmp_path: Path) -> tuple[Platform, str]:
    """An account's deposit for which the authority never gives a token, with its unit."""
    with authority(tmp_path) as outside:
        outside.mood = "refuses"
        environment = outside.environment() | {
            "GUZHENG_ACCOUNTS": "on",
            "GUZHENG_DEFAULT_EDITION": "trial",
            "GUZHENG_QUOTA_UNITS": "2",
        }
        platform = Platform(load(tmp_path / "data", environment=environment))
        exhibit = platform.deposit("a.txt", [b"words"], account=ANNE.account)
        with pytest.raises(Unavailable):
            platform.walk(exhibit, silent)
    return platform, exhibit


def kept(platform: Platform, exhibit: str) -> dict[str, str]:
    folder = folder_of(exhibit)
    return {
        one: sha256(read(platform.blobs, folder + one)).hex
        for one in sorted(platform.road.papers(exhibit))
    }


def test_an_end_deletes_nothing_and_gives_the_unit_back(
    stuck: tuple[Platform, str], tmp_path: Path
) -> None:
    platform, exhibit = stuck
    before = kept(platform, exhibit)
    assert {"order.json", "items/a.txt", "manifest.json"} <= before.keys()
    assert platform.entitlements.view(ANNE.account).left == 1
    assert platform.halting.end(exhibit, REASON)
    assert not platform.halting.end(exhibit, "another reason"), "it was so before"
    after = kept(platform, exhibit)
    assert before.items() <= after.items()
    assert after.keys() - before.keys() == {road.ENDED, road.REFUSED}
    said = json.loads(read(platform.blobs, folder_of(exhibit) + road.REFUSED))
    assert (said["code"], said["found"]) == ("road.ended", REASON)
    assert package.SEAL in said["expected"]
    view = platform.exhibit(exhibit)
    assert (view.state, view.missing, view.ended) == ("refused", (), True)
    assert platform.index.unfinished() == ()
    standing = platform.entitlements.view(ANNE.account)
    assert (standing.left, standing.quota.held, standing.quota.spent) == (2, 0, 0)
    assert platform.walk(exhibit, silent) == "refused", "no step follows"
    assert kept(platform, exhibit) == after
    assert places(platform) == []
    rebuilt = platform.rebuild()
    assert rebuilt.count == 1
    assert platform.index.unfinished() == ()
    with pytest.raises(Refused, match=r"package\.not-complete"):
        platform.package([exhibit])
    lines = (platform.config.data / "audit.jsonl").read_text("utf-8").splitlines()
    told = [json.loads(one) for one in lines if "exhibit.ended" in one]
    assert told[0]["exhibit"] == exhibit
    assert all(REASON not in one for one in lines), "a reason may have names in it"


@pytest.mark.parametrize("killed_after", [road.ENDED, road.REFUSED])
def test_an_end_that_was_killed_is_finished_by_the_queue(
    stuck: tuple[Platform, str], killed_after: str
) -> None:
    platform, exhibit = stuck
    assert platform.road.end(exhibit, REASON)
    if killed_after == road.ENDED:
        platform.blobs.remove(folder_of(exhibit) + road.REFUSED)
    assert platform.index.unfinished() == (exhibit,)
    assert work_until_idle(platform) == ((exhibit,), ())
    assert {road.ENDED, road.REFUSED} <= platform.road.papers(exhibit)
    assert platform.entitlements.view(ANNE.account).left == 2
    assert places(platform) == []


def test_what_is_over_cannot_be_ended(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path))
    exhibit = platform.deposit("a.txt", [b"words"])
    with pytest.raises(Refused, match=r"road\.reason-wanted"):
        platform.halting.end(exhibit, " ")
    with pytest.raises(Refused, match=r"road\.reason-wanted"):
        platform.halting.end(exhibit, "x" * 201)
    assert platform.walk(exhibit, silent) == "certified"
    before = kept(platform, exhibit)
    for attempt in (platform.halting.again, lambda one: platform.halting.end(one, REASON)):
        with pytest.raises(Refused, match=r"road\.walked"):
            attempt(exhibit)
    assert kept(platform, exhibit) == before


def test_an_order_whose_road_is_ended_has_failed_and_costs_nothing(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path, quota_units=1))
    order = platform.ordering.order(Wanted("https://example.com/"))[0].commission
    assert platform.ordering.quota().held == 1
    platform.halting.end(order.exhibit, REASON)
    view = platform.ordering.view(order.commission)
    assert view.state == "failed"
    assert view.reason is not None
    assert view.reason.code == "road.ended"
    quota = platform.ordering.quota()
    assert (quota.held, quota.spent) == (0, 0)


def test_the_page_says_why_it_waits_and_tries_again(
    stuck: tuple[Platform, str],
) -> None:
    seat = Platform(replace(stuck[0].config, accounts="off"))
    exhibit = seat.deposit("b.txt", [b"others"])
    work_until_idle(seat)
    with serving(create_app(seat, upload_limit=1000)) as face:
        page = face.client.get(f"/exhibits/{exhibit}").text
        assert "fix.authority-unreachable" in page
        assert "现在再试一次" in page
        held_up = page[page.index('id="held-up"') : page.index("现在再试一次")]
        assert "无需处理" in held_up, "somebody else has to answer"
        assert "<dt>处理</dt>" not in held_up, "so nobody is told to change anything"
        assert seat.halting.find(exhibit) is not None
        answer = face.client.post(f"/exhibits/{exhibit}/again")
        assert answer.status_code == 303
        assert seat.halting.find(exhibit) is None, "any program's queue takes it now"
        seat.halting.end(exhibit, REASON)
        page = face.client.get(f"/exhibits/{exhibit}").text
        assert REASON in page
        assert "平台运营者终止" in page
        assert "现在再试一次" not in page
        answer = face.client.post(f"/exhibits/{exhibit}/again")
        assert answer.status_code == 422
        english = face.client.get(f"/exhibits/{exhibit}?lang=en").text
        assert "cannot be undone" in english


def test_what_is_refused_is_left_to_who_must_act(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path))
    exhibit = platform.deposit("a.txt", [b"words"])
    refused = Refused("keep.damaged", expected="a", found="b", act="c")
    platform.halting.noted(exhibit, refused)
    assert platform.halting.refused() == {exhibit}
    platform.halting.noted(exhibit, Unavailable("store.full", expected="a", found="b"))
    assert platform.halting.refused() == frozenset()
    assert platform.walk(exhibit, silent) == "certified"
    assert platform.halting.find(exhibit) is None, "what went on is held up no longer"


def test_the_command_says_what_it_does_and_does_it_only_when_told(
    stuck: tuple[Platform, str],
) -> None:
    platform, exhibit = stuck
    settings = {
        "GUZHENG_TIMESTAMP_URL": platform.config.timestamp_url,
        "GUZHENG_TIMESTAMP_ROOTS": str(platform.config.timestamp_roots),
    }
    asked = ("end", exhibit, "--reason", REASON, "--data", platform.config.data)
    status, _, err = ran(*asked, **settings)
    assert status == 1, err
    assert "不能撤回" in err
    assert "[road.end-unconfirmed]" in err
    assert road.ENDED not in platform.road.papers(exhibit)
    status, out, err = ran(*asked, "--yes", **settings)
    assert status == 0, err
    assert exhibit in out
    assert road.ENDED in platform.road.papers(exhibit)
