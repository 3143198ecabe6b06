"""verify.html: the verification page as one file, for packages; built from frontend/.

It is made by `make front` and ships in the wheel. Where it was not built there is none, and a
package says so instead of holding a page that does not work.
"""

from importlib.resources import files

PAGE = "verify.html"


def verify_page() -> bytes | None:
    """The page, or None where it was not built."""
    page = files("guzheng.prove") / PAGE
    return page.read_bytes() if page.is_file() else None
