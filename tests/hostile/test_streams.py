"""Streams without end, whoever is slow: the beginning is kept, or said to be missing."""

import re
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from guzheng.capturer.record import Request
from guzheng.proof import canonical
from tests.hostile.capturing import Captured, Response, capture
from tests.hostile.conftest import Site
from tests.hostile.site import PNG, Log, Traps, serving
from tests.hostile.slow_browser import CHROMIUM, PYTHON, slow_browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (CHROMIUM.is_file() and PYTHON.is_file()), reason="Debian's chromium and python3"
    ),
]

_HELD, _OCTETS = 5, len(b"data: tick 0\n\n")
_TELLS = b"<!doctype html><title>tells</title><script>new EventSource('/events')</script>"
_CLOSES = b"""<!doctype html><title>closes</title><script>
  const told = new EventSource('/events'); let n = 0;
  told.onmessage = () => { if (++n == 9) { told.close(); fetch('/closed') } };
</script><img src="/waits">"""  # so that a busy machine is not done with the page before
_SHOWS = b'<!doctype html><title>shows</title><img src="/camera" width=9 height=9>'
_PICTURE = b"--next\r\ncontent-type: image/png\r\n\r\n" + PNG + b"\r\n"
_CAMERA = _PICTURE * 7 + b"--next--\r\n"


class _Streams(Traps):
    def answer(self) -> None:
        match self.path:
            case "/tells":
                self.send(200, {"content-type": "text/html"}, _TELLS)
            case "/closes":
                self.send(200, {"content-type": "text/html"}, _CLOSES)
            case "/waits":
                until = time.monotonic() + 10
                while ("GET", "/closed", 404) not in self.log.seen and time.monotonic() < until:
                    time.sleep(0.02)
                self.send(200, {"content-type": "image/png"}, PNG)
            case "/shows":
                self.send(200, {"content-type": "text/html"}, _SHOWS)
            case "/camera":  # which is switched off
                parts = (_CAMERA[n : n + 100] for n in range(0, len(_CAMERA), 100))
                self.stream("multipart/x-mixed-replace; boundary=next", parts)
            case _:
                super().answer()


@pytest.fixture
def streams() -> Iterator[Site]:
    log = Log()
    with serving(partial(_Streams, log=log)) as address:
        yield Site(address, log)


def _found(captured: Captured, path: str) -> tuple[Request, Response, str]:
    """On the record, in the archive, and why completeness names it."""
    assert captured.exit_status == 0, captured.failure
    assert "capture.wire-contradicts" not in captured.record.notes
    (asked,) = [one for one in captured.record.requests if one.url.endswith(path)]
    (kept,) = [one for one in captured.responses() if one.url.endswith(path)]
    assert captured.record.completeness is not None
    missing = captured.record.completeness.missing
    return asked, kept, next((one.why for one in missing if one.url.endswith(path)), "")


def test_a_stream_of_which_the_beginning_was_missed_is_not_passed_off_as_whole(
    streams: Site, tmp_path: Path
) -> None:
    with slow_browser("hold", _HELD) as program:
        captured = capture(tmp_path, f"{streams.address}/closes", chromium=program)
    asked, kept, missing = _found(captured, "/events")
    assert asked.outcome == "recorded-without-body", asked
    said = re.search(r"the first (\d+) of (\d+) octets came before", asked.why)
    assert said is not None, asked.why
    assert int(said[1]) >= _HELD * _OCTETS
    # Readers of the archive see that it is cut, and no octet of the middle as the beginning.
    assert kept.body == b""
    assert kept.record["WARC-Truncated"] in {"disconnect", "unspecified"}
    assert missing == "body-only-on-wire"
    with zipfile.ZipFile(captured.out / "items/transcript.zip") as transcript:
        passed = b"".join(
            transcript.read(name)
            for name in transcript.namelist()
            if name.endswith(".received")
        )
    assert b"data: tick 0\n\n" in passed
    # The messages are told apart from the octets, the first too.
    lines = (captured.out / "items/sockets.jsonl").read_bytes().splitlines()
    assert canonical.parse_object(lines[1])["text"] == "tick 0"


def test_a_stream_that_our_end_cuts_is_given_by_the_browser_all_the_same(
    streams: Site, tmp_path: Path
) -> None:
    with slow_browser("hold", _HELD) as program:
        captured = capture(tmp_path, f"{streams.address}/tells", chromium=program)
    asked, kept, _ = _found(captured, "/events")
    if asked.outcome == "recorded-in-part":
        assert "octets" not in asked.why
        assert kept.body.startswith(b"data: tick 0\n\ndata: tick 1\n\n")
    else:  # the news of the cut came too late: a busy machine
        assert re.search(r"the first \d+ of \d+ octets came before", asked.why), asked


def test_a_stream_that_was_asked_for_too_early_is_asked_for_again(
    streams: Site, tmp_path: Path
) -> None:
    """The answer's head came while the browser still knew of no such request."""
    with slow_browser("refuse") as program:
        captured = capture(tmp_path, f"{streams.address}/tells", chromium=program)
    asked, kept, _ = _found(captured, "/events")
    if asked.outcome == "recorded-in-part":
        assert kept.body.startswith(b"data: tick 0\n\n")
    else:
        assert re.search(r"the first \d+ of \d+ octets came before", asked.why), asked.why


def test_a_camera_that_ends_is_kept_with_all_its_pictures(
    streams: Site, tmp_path: Path
) -> None:
    captured = capture(tmp_path, f"{streams.address}/shows")
    asked, kept, _ = _found(captured, "/camera")
    if asked.outcome == "recorded":
        assert kept.body == _CAMERA
    else:  # a busy machine
        assert re.search(r"\d+ of \d+ octets (came before|were given)", asked.why), asked.why
        assert _CAMERA.startswith(kept.body)
