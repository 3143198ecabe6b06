"""The verifier as one page: what a court package carries beside the command that checks it.

The page is built from frontend/ (tools/frontend.py) into this package's resources. It is the
browser's engine with style and words inlined, its own content policy refuses every connection,
and it is the same octets whatever package it lies in. Where it was not built, a package simply
has none: VERIFY.md names the commands that need no page."""

from importlib.resources import files
from typing import Final

PAGE: Final = "verify.html"


def verify_page() -> bytes | None:
    """The page's octets, or None where this installation was made without it."""
    page = files("guzheng.prove").joinpath(PAGE)
    return page.read_bytes() if page.is_file() else None
