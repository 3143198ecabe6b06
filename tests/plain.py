"""Questions to servers of our own, which speak HTTP in clear: no root is loaded for them.

httpx loads every root of the system for each client, and so for each question without one:
fifty milliseconds of the processor, in tests that ask a thousand times."""

import ssl
from functools import partial

import httpx

_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies, and trusts no root

client = partial(httpx.Client, verify=_NOBODY)
get = partial(httpx.get, verify=_NOBODY)
post = partial(httpx.post, verify=_NOBODY)
