"""The hold on the program that opens the transcript: what it says, and when it says nothing."""

import asyncio
import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest

from guzheng.capturer import completeness
from guzheng.capturer.clock import Clock
from guzheng.capturer.journal import Journal
from guzheng.capturer.record import Bounds, Gap
from guzheng.proof import canonical
from tests.capturer.test_record import RECORD

FIGURE: dict[str, object] = {
    "requested": 2, "recorded": 1, "seen_on_wire": 2, "unopened": 0, "missing_in_all": 1,
    "missing": [{"method": "GET", "url": "u" * 9000, "why": "not-recorded"}],
}  # fmt: skip


def told(**report: object) -> bytes:
    return canonical.encode({"outcome": "passed", "completeness": FIGURE, **report}) + b"\n"


def test_a_report_is_read() -> None:
    found = completeness._read(told())
    assert found is not None
    assert found.completeness is not None
    assert found.completeness.missing == (Gap("GET", "u" * 7999 + "…", "not-recorded"),)
    assert not found.contradicts
    loud = completeness._read(told(outcome="failed"))
    assert loud is not None
    assert loud.contradicts


@pytest.mark.parametrize(
    "octets",
    [
        b"", b"\n", b"Traceback", b"{}}", told()[:-3],
        told(completeness={**FIGURE, "more": 1}),
        told(completeness={**FIGURE, "requested": -1}),
        told(completeness={**FIGURE, "missing": [{}]}),
    ],
)  # fmt: skip
def test_what_is_no_report_is_none(octets: bytes) -> None:
    assert completeness._read(octets) is None


@pytest.mark.parametrize("wall_seconds", [120, 0])
def test_a_folder_without_a_transcript_is_not_compared(
    tmp_path: Path, wall_seconds: int
) -> None:
    """Nor one for which no time is left: the capture stands, and its note says so."""
    (tmp_path / "items").mkdir()
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    began = -100.0 if wall_seconds == 0 else 0.0
    journal = Journal(Clock(lambda: noon, lambda: 0.0), lambda *_: None, began)
    bounds = Bounds(
        wall_seconds=wall_seconds, page_seconds=1, bytes=1, requests=1, memory_octets=1
    )
    draft = dataclasses.replace(RECORD, limits=bounds)

    async def compared(*, ahead: bool) -> None:
        comparing = completeness.Comparing(tmp_path, tmp_path)
        if ahead:
            await comparing.start()
        assert await comparing.compare(draft, journal) is None
        await comparing.end()

    asyncio.run(compared(ahead=wall_seconds > 0))
    assert journal.notes == ["capture.wire-not-compared"]
    assert [one.name for one in tmp_path.iterdir()] == ["items"]
    assert list((tmp_path / "items").iterdir()) == []
