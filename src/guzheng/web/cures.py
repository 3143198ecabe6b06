"""Where a refusal leads: the page that helps whoever was refused, by the code or its family.

A code's own page comes first: only there does something cure it. A family's page is where the
thing is looked for again. A reader without an account is led to none that would refuse him."""

import re
from typing import Final

# (where, the words of the link)
_OF_CODE: Final = {
    "accounts.not-in-edition": ("/me/edition", "page.edition.title"),
    "accounts.name-wanted": ("/me/name", "page.name.title"),
    "accounts.name-pending": ("/me/name", "page.name.title"),
    "accounts.name-decided": ("/me/name", "page.name.title"),
    "accounts.second-step-wanted": ("/me/security", "page.trouble.to-security"),
    "accounts.identity-last": ("/me/security", "page.trouble.to-security"),
    "accounts.prove-again": ("/me/security", "page.trouble.to-security"),
    "accounts.not-permitted": ("/me", "page.trouble.to-me"),
    "accounts.operator-only": ("/me", "page.trouble.to-me"),
    "commission.quota-spent": ("/me/edition", "page.edition.title"),
    "commission.not-confirmed": ("/orders", "page.trouble.to-orders"),
    "court.nothing-asked": ("/ledger", "page.map.ledger"),
    "ledger.not-found": ("/ledger", "page.map.ledger"),
}
_SIGN_IN: Final = ("/login", "page.trouble.to-login")
_BY_SIGNING_IN: Final = re.compile(
    r"accounts\.(not-signed-in|link-dead|sign-in-refused"
    r"|identity-(over|unknown|declined|not-proved|without-address|off|taken))"
)
_OF_FAMILY: Final = {
    "cases": ("/cases", "page.trouble.to-cases"),
    "commission": ("/orders", "page.trouble.to-orders"),
    "compare": ("/exhibits", "page.trouble.to-exhibits"),
    "exhibit": ("/exhibits", "page.trouble.to-exhibits"),
    "package": ("/packages", "page.trouble.to-packages"),
    "webhooks": ("/webhooks", "page.trouble.to-webhooks"),
    "replay": ("/exhibits", "page.trouble.to-exhibits"),
    "verify": ("/verify", "page.map.verify"),
}


def cure_of(code: str) -> tuple[str, str] | None:
    """The page that helps, and its words; None: the first page has to do."""
    if _BY_SIGNING_IN.fullmatch(code):
        return _SIGN_IN
    return _OF_CODE.get(code) or _OF_FAMILY.get(code.partition(".")[0])
