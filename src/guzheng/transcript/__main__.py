"""`python -m guzheng.transcript` is `guzheng-transcript`, but that it ends at once.

Whoever starts it so waits for its end: to take an interpreter apart takes a sixth of its time,
and nothing is left to be written then."""

import os

from guzheng.transcript.main import status_of

os._exit(status_of())
