"""A web capture comes in: the capturer runs as a program of its own, and a folder comes back.

A finished run is made durable and moved to `done` before the first item is kept, so that
whoever is killed half way keeps on from the same run and never mixes two. Each run has a folder
of its own: a capturer that outlives the worker that started it writes where nobody looks any
more. How it runs is running.py's, what its folder is worth brought.py's and attempts.py's.
"""

import contextlib
import shutil
import tempfile
from pathlib import Path

from guzheng.intake import wirekeys
from guzheng.intake.attempts import CaptureAttempted, failure_in, refusal_in
from guzheng.intake.brought import CAPTURE, Captured, keep_items, make_durable, moments_in
from guzheng.intake.order import Order
from guzheng.intake.running import Capturing, Moments, Tell, run
from guzheng.proof.errors import ProofError
from guzheng.refusals import Unavailable
from guzheng.store.blobs import Blobs
from guzheng.store.durable import reported, sync_directory


def capture(
    order: Order,
    blobs: Blobs,
    folder: str,
    capturing: Capturing,
    tell: Tell,
    moments: Moments | None = None,
) -> Captured:
    """Run the capturer unless a finished run waits, and keep what it brought. Of an attempt
    that is evidence the items are kept when CaptureAttempted is raised; its record is not.

    The caller holds the exhibit's lease. `capture.json` is kept last: it stands for the whole.
    """
    room = capturing.workshop / order.exhibit
    done = room / "done"
    if not done.exists():
        with reported(str(room)):
            room.mkdir(parents=True, exist_ok=True, mode=0o755)
            for left in room.iterdir():  # of runs that were killed
                shutil.rmtree(left, ignore_errors=True)
            attempt = Path(tempfile.mkdtemp(prefix="run-", dir=room))
            attempt.chmod(0o755)  # the capturer drops to a user of its own
            with contextlib.suppress(CaptureAttempted):  # it is kept as one that was made is
                run(order, attempt, capturing, tell, moments)
            make_durable(attempt / "out")
            (attempt / "out").rename(done)
            sync_directory(room)
    try:
        if capturing.keys is not None:
            wirekeys.keep(done, capturing.keys, order.exhibit)  # before anything needs it
        captured = keep_items(done, blobs, folder)
    except (FileNotFoundError, ProofError) as error:
        clear_room(capturing, order.exhibit)  # or it would be found again for ever
        raise Unavailable(
            "capture.browser-died",
            expected="every file that the capture record names",
            found=error.code if isinstance(error, ProofError) else "a file less",
            act="the worker tries again",
        ) from error
    if refusal_in(captured.record_json) is not None:
        record_json = captured.record_json
        papers = dict(moments_in(done, record_json))
        raise CaptureAttempted(failure_in(record_json), record_json, papers)
    blobs.put(folder + CAPTURE, [captured.record_json])
    clear_room(capturing, order.exhibit)
    return captured


def rooms(capturing: Capturing) -> tuple[str, ...]:
    """The exhibits that have a room in the workshop: captures under way, or killed."""
    if not capturing.workshop.is_dir():
        return ()
    return tuple(sorted(one.name for one in capturing.workshop.iterdir()))


def clear_room(capturing: Capturing, exhibit: str) -> None:
    """Nothing in it is needed: all that was worth keeping is kept."""
    shutil.rmtree(capturing.workshop / exhibit, ignore_errors=True)
