"""Orders of captures: held, noted from papers, decided once, continued by whoever comes next.

No browser here: the paper that a capturer leaves is put where it leaves it.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guzheng.app import Platform, open_parts
from guzheng.app.wishes import BadTable, CommissionView, Wanted
from guzheng.capturer.record import Evidence, Judgement
from guzheng.commission import Timing, rules
from guzheng.config import Config
from guzheng.jobs import Jobs, Patience, Turn, Work
from guzheng.refusals import Refused
from guzheng.road import folder_of
from guzheng.store.lease import leased
from tests.capturer.test_record import RECORD

URL = "https://example.org/"


@dataclass
class Clock:
    at: datetime = field(default_factory=lambda: datetime(2026, 11, 22, 1, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.at

    def passes(self, **much: float) -> None:
        self.at += timedelta(**much)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    vantages = ("here direct", "there bind 127.0.0.9", "far elsewhere")
    return Config(tmp_path, quota_units=3, vantages=vantages)


@pytest.fixture
def platform(config: Config, clock: Clock) -> Iterator[Platform]:
    yield Platform(config, open_parts(config, now=clock))


def ordered(platform: Platform, **more: object) -> CommissionView:
    return platform.ordering.order(replace(Wanted(URL), **more))[0]  # type: ignore[arg-type]


def captured(platform: Platform, view: CommissionView) -> CommissionView:
    """As the capturer's folder is kept: the record last."""
    platform.blobs.put(f"{folder_of(view.commission.exhibit)}capture.json", [b"{}"])
    platform.ordering.round()
    return platform.ordering.view(view.commission.commission)


def standing(platform: Platform) -> tuple[int, int]:
    quota = platform.ordering.quota()
    return quota.held, quota.spent


def test_confirmed_is_charged_and_handed_out(platform: Platform) -> None:
    view = ordered(platform)
    exhibit, number = view.commission.exhibit, view.commission.commission
    assert (view.state, standing(platform)) == ("ordered", (1, 0))
    with pytest.raises(Refused) as refused:
        platform.ordering.confirm(number)
    assert refused.value.code == "commission.not-now"
    assert captured(platform, view).state == "previewable"
    with pytest.raises(Refused) as refused:
        platform.open_paper(exhibit, "capture.json")
    assert refused.value.code == "commission.not-confirmed"
    for _ in range(2):
        assert platform.ordering.confirm(number).state == "confirmed"
    assert standing(platform) == (0, 1)
    platform.open_paper(exhibit, "capture.json").close()


def test_given_up_goes_back_and_is_marked_and_stays(platform: Platform) -> None:
    view = captured(platform, ordered(platform))
    number = view.commission.commission
    for _ in range(2):
        assert platform.ordering.give_up(number).state == "given-up"
    assert standing(platform) == (0, 0)
    with pytest.raises(Refused) as refused:
        platform.ordering.confirm(number)
    assert refused.value.code == "commission.too-late"
    with pytest.raises(Refused) as refused:
        platform.open_paper(view.commission.exhibit, "capture.json")
    assert refused.value.code == "commission.given-up"
    assert view.commission.exhibit in platform.index.names()


def test_nobody_decides_in_time(platform: Platform, clock: Clock) -> None:
    view = captured(platform, ordered(platform))
    clock.passes(hours=23, minutes=59)
    platform.ordering.round()
    number = view.commission.commission
    assert platform.ordering.view(number).state == "previewable"
    clock.passes(minutes=1)
    with pytest.raises(Refused) as refused:  # though no worker has looked since
        platform.ordering.give_up(number)
    assert refused.value.code == "commission.too-late"
    view = platform.ordering.view(number)
    assert view.state == "confirmed"
    assert view.reason is not None
    assert view.reason.code == "commission.time-passed"


def walled(platform: Platform, view: CommissionView) -> CommissionView:
    """Captured, and what was got is a login page."""
    wall = Judgement("scope.login-wall", (Evidence("password-field", "1"),))
    record = replace(RECORD, exhibit=view.commission.exhibit, scope=(wall,)).encode()
    platform.blobs.put(f"{folder_of(view.commission.exhibit)}capture.json", [record])
    platform.ordering.round()
    return platform.ordering.view(view.commission.commission)


def test_nobody_pays_unseen_for_what_may_not_be_the_page(
    platform: Platform, clock: Clock
) -> None:
    first, second = (walled(platform, ordered(platform)) for _ in range(2))
    assert (first.state, first.warnings) == ("previewable", ("scope.login-wall",))
    assert first.confirms_at is None
    assert first.gives_up_at == clock() + timedelta(days=30)
    assert "confirms_at" not in first.value()
    assert first.value()["gives_up_at"] == "2026-12-22T01:00:00.000Z"
    clock.passes(days=29, hours=23)
    platform.ordering.round()
    assert standing(platform) == (2, 0)
    # A person may want it all the same: that there is a wall may be what is to be proved.
    assert platform.ordering.confirm(second.commission.commission).state == "confirmed"
    clock.passes(hours=1)
    with pytest.raises(Refused) as refused:  # though no worker has looked since
        platform.ordering.confirm(first.commission.commission)
    assert refused.value.code == "commission.too-late"
    first = platform.ordering.view(first.commission.commission)
    assert (first.state, first.gives_up_at) == ("given-up", None)
    assert first.reason is not None
    assert first.reason.code == "commission.doubt-passed"
    assert standing(platform) == (0, 1)


def test_whoever_asked_for_it_beforehand_has_decided(platform: Platform) -> None:
    assert walled(platform, ordered(platform, automatic=True)).state == "confirmed"


def test_a_queued_one_is_cancelled_at_once(platform: Platform) -> None:
    view = ordered(platform)
    for _ in range(2):
        view = platform.ordering.cancel(view.commission.commission)
    assert (view.state, standing(platform)) == ("cancelled", (0, 0))
    refusal = platform.exhibit(view.commission.exhibit).refusal
    assert refusal is not None
    assert refusal["code"] == "commission.cancelled"
    assert platform.walk(view.commission.exhibit, lambda *_: None) == "refused"


def test_one_under_way_is_told_to_stop(platform: Platform) -> None:
    view = ordered(platform)
    exhibit = view.commission.exhibit
    with leased(platform.parts.leases, exhibit, wait=False):  # a worker is at it
        view = platform.ordering.cancel(view.commission.commission)
        assert (view.state, view.cancelling) == ("ordered", True)
        assert platform.ordering.is_cancelled(exhibit)
    # It was done before it heard of that: then there is something to decide about.
    assert captured(platform, view).state == "previewable"


def test_whoever_is_killed_between_is_continued(platform: Platform, clock: Clock) -> None:
    (one,) = platform.ordering.commissions_of(Wanted(URL))
    platform.parts.commissions.add([one], allowance=None)  # and killed
    platform.ordering.round()
    assert one.exhibit not in platform.index.names(), "somebody may be at it"
    clock.passes(minutes=1)
    for _ in range(2):
        platform.ordering.round()
    assert platform.road.order(one.exhibit).url == URL
    assert platform.index.unfinished() == (one.exhibit,)


def test_a_form_that_is_sent_twice_orders_once(platform: Platform) -> None:
    token = platform.ordering.new_token()
    both = [ordered(platform, token=token, vantages=("here", "there")) for _ in range(2)]
    assert both[0] == both[1]
    assert standing(platform) == (2, 0)


def test_several_vantage_points_make_one_exhibit_each(platform: Platform) -> None:
    view = ordered(platform, vantages=("here", "far"))
    together = platform.ordering.together(view)
    assert [one.commission.vantage for one in together] == ["here", "far"]
    exhibits = [one.commission.exhibit for one in together]
    assert [platform.road.order(one).vantage for one in exhibits] == ["here", "far"]
    assert [platform.ordering.turn(one).queue for one in exhibits] == [
        "captures-here",
        "captures-far",
    ]
    taken = platform.vantages.queues(2)
    assert "captures-there" in taken
    assert "captures-far" not in taken, "that is another worker's"
    with pytest.raises(Refused) as refused:
        ordered(platform, vantages=("nowhere",))
    assert refused.value.code == "commission.no-such-vantage"


def test_captured_again_for_a_reason(platform: Platform) -> None:
    view = ordered(platform)
    number = view.commission.commission
    with pytest.raises(Refused):
        platform.ordering.retry(number, "too soon")
    platform.ordering.cancel(number)
    with pytest.raises(Refused) as refused:
        platform.ordering.retry(number, "  ")
    assert refused.value.code == "commission.reason-wanted"
    again = platform.ordering.retry(number, "图片没有加载")
    assert (again.commission.retry_of, again.commission.reason) == (number, "图片没有加载")
    assert platform.road.order(again.commission.exhibit).retry_of == view.commission.exhibit
    assert platform.ordering.retries_of(number) == (again,)


def test_a_table_is_ordered_whole_or_not_at_all(platform: Platform) -> None:
    octets = "网址,名称\nhttps://a/,甲\nftp://b/,乙\nhttps://c/,丙\n".encode("gb18030")
    with pytest.raises(BadTable) as bad:
        platform.ordering.order_table(octets, "t.csv")
    assert [(one.number, one.code) for one in bad.value.lines] == [(3, "capture.url-not-http")]
    assert platform.ordering.page(10) == ()
    token = platform.ordering.new_batch_token()
    twice = [
        platform.ordering.order_table(octets, "t.csv", skip_bad=True, token=token)
        for _ in range(2)
    ]
    batch = twice[1]
    assert twice[0] == batch
    assert [one.commission.line for one in batch.views] == [2, 4]
    assert [one.number for one in batch.left_out] == [3]
    assert standing(platform) == (2, 0)
    with pytest.raises(Refused) as refused:
        platform.ordering.order_table(b"url\nhttps://d/\nhttps://e/\n", "u.csv")
    assert refused.value.code == "commission.quota-spent"
    assert standing(platform) == (2, 0)


def test_what_is_due_is_ordered_and_what_was_missed_is_said(
    platform: Platform, clock: Clock
) -> None:
    day = timedelta(days=1)
    timing = Timing(rules.DAILY, clock.at, clock.at + 9 * day)
    name = platform.repeating.add(Wanted(URL), timing).name
    for _ in range(2):
        platform.repeating.round()
    assert len(platform.repeating.view(name).captures) == 1
    clock.passes(days=2, hours=3)  # nobody was there at the second and third time
    platform.repeating.round()
    platform.repeating.pause(name)
    clock.passes(days=1)
    platform.repeating.resume(name)
    clock.passes(hours=21, minutes=10)
    platform.repeating.round()
    view = platform.repeating.view(name)
    assert [one.outcome for one in view.slots] == ["ran", "missed", "missed", "paused", "ran"]
    assert len(view.captures) == 2
    assert view.next_at == timing.first_at + 5 * day
    assert platform.repeating.stop(name).standing == "stopped"
    clock.passes(days=1)
    platform.repeating.round()
    assert len(platform.repeating.view(name).slots) == 5
    with pytest.raises(Refused) as refused:
        platform.repeating.resume(name)
    assert refused.value.code == "commission.schedule-stopped"


def test_a_time_that_the_quota_refuses_says_so(platform: Platform, clock: Clock) -> None:
    for _ in range(3):
        ordered(platform)
    name = platform.repeating.add(Wanted(URL), Timing(rules.ONCE, clock.at)).name
    platform.repeating.round()
    view = platform.repeating.view(name)
    assert [(one.outcome, one.code) for one in view.slots] == [
        ("refused", "commission.quota-spent")
    ]
    assert view.standing == "over"


def test_the_queue_takes_turns_and_only_from_its_own(tmp_path: Path) -> None:
    """Two accounts: the one with much to do does not keep the other waiting."""
    turns = {
        "a1": Turn("captures", 1),
        "a2": Turn("captures", 2),
        "a3": Turn("captures", 3),
        "b1": Turn("captures", 1),
        "file": Turn(),
        "far": Turn("captures-far", 1),
    }
    waiting = set(turns)
    taken: list[str] = []
    others_wait = threading.Event()

    def advance(exhibit: str) -> bool:
        if exhibit == "a1":
            assert others_wait.wait(60)
        taken.append(exhibit)
        waiting.discard(exhibit)
        return False

    jobs = Jobs(
        tmp_path / "jobs.sqlite",
        tmp_path / "leases",
        Work(advance, lambda: (), turn=turns.__getitem__),
        at_once=1,
        patience=Patience.of(1),
        queues={"captures": 1},
    )
    with jobs.running():
        for exhibit in ("a1", "a2", "a3", "b1", "far", "file"):
            jobs.enqueue(exhibit)
        others_wait.set()
        deadline = time.monotonic() + 60
        while waiting - {"far"} and time.monotonic() < deadline:
            time.sleep(0.05)
    assert waiting == {"far"}, "another worker's"
    captures = [one for one in taken if one != "file"]
    assert captures.index("b1") < captures.index("a2") < captures.index("a3")
