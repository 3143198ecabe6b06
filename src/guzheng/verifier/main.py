"""The command: what it was given, what it found, in words or as JSON, and an exit status.

Exit status: 0 every step passed; 1 at least one failed; 2 none failed and not everything could
be checked; 64 the command was not understood (BSD sysexits.h, EX_USAGE).
"""

import io
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from guzheng.proof.report import Outcome
from guzheng.verifier import words_of
from guzheng.verifier.question import USAGE, NotUnderstood, parser, question_of
from guzheng.verifier.verdict import verdict_of
from guzheng.verifier.words_of import legible

INTERRUPTED = 130  # 128 + SIGINT, as shells report it
_EXIT = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.NOT_CHECKED: 2}


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script."""
    # What a library thinks of the certificates it reads is no verdict: nobody should see it.
    warnings.simplefilter("ignore")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that has no Chinese still reads
            stream.reconfigure(errors="backslashreplace")
    try:
        status = main(arguments)
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    if str(given.path) == "-":  # whoever has something soon starts us ahead
        line = sys.stdin.readline()
        if not line:
            return INTERRUPTED
        given.path = Path(line.removesuffix("\n"))
    try:
        verdict = verdict_of(question_of(given))
    except NotUnderstood as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(f"{error.filename}: 读不到 / cannot be read: {error.strerror}")
    _print(
        verdict.encode().decode() + "\n"
        if given.json
        else words_of.text(
            verdict.report,
            verdict.trusted,
            verdict.roots,
            verdict.attested_at,
            verdict.ledger,
            given.lang,
            clock_not_verified=verdict.clock_not_verified,
        )
    )
    return _EXIT[verdict.report.outcome]


def _complain(text: str) -> int:
    sys.stderr.write(f"guzheng-verify: {legible(text)}\n")
    return USAGE


def _print(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader had enough; the exit status still says what was found
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
