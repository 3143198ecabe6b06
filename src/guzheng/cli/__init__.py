"""FACE: the command line. One file per family of commands; none holds a rule.

Progress goes to standard error, results to standard output, and with `--json` the last lines
of standard output are one JSON object per exhibit. Exit status: 0 when what was asked is done
and durable, 1 refused (the caller must act), 2 usage, 75 unavailable (try again later; BSD
sysexits.h, EX_TEMPFAIL).
"""

import gc
from typing import NoReturn


def main() -> NoReturn:
    """The console script. What is loaded stays: no garbage is looked for while it is."""
    gc.disable()  # a fifth of the processor time of a start
    from guzheng.cli.main import main as commanded

    gc.freeze()
    gc.enable()
    commanded()


__all__ = ["main"]
