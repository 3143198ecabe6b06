"""`python -m guzheng.transcript` is `guzheng-transcript`."""

from guzheng.transcript.main import run

run()
