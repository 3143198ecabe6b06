"""`python -m guzheng.verifier` is `guzheng-verify`."""

from guzheng.verifier.main import run

run()
