"""What may come in: names, texts and addresses, judged before anything is stored."""

import unicodedata
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from guzheng.proof.errors import Malformed
from guzheng.proof.manifest import MAX_ITEMS, MAX_TEXT, require_item_name
from guzheng.refusals import Refused

MAX_URL = 8192  # octets; the longest address that servers in use accept


def item_name(name: str) -> str:
    """The file's own name, if it can stand in a package on every system."""
    try:
        return require_item_name(name)
    except Malformed as error:
        raise Refused(
            "intake.name-refused",
            expected=f"a file name with {error.expected}"
            if error.expected != "a file name"
            else "a file name",
            found=error.found,
            act="give it another name",
        ) from error


def distinct(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            raise Refused(
                "intake.name-twice",
                expected="names that differ in more than case",
                found=repr(name),
                act="give one of them another name",
            )
        seen.add(folded)
    if len(seen) > MAX_ITEMS:
        raise Refused(
            "intake.too-many-items",
            expected=f"at most {MAX_ITEMS} files",
            found=str(len(seen)),
            act="make several exhibits",
        )


def stated(text: str | None, what: str) -> str | None:
    """A name, applicant or purpose as it was typed; blank counts as not stated."""
    if text is None or not text.strip():
        return None
    trimmed = text.strip()
    try:
        trimmed.encode("utf-8")
        readable = not any(
            unicodedata.category(one) in {"Cc", "Cf", "Zl", "Zp"} for one in trimmed
        )
    except UnicodeEncodeError:
        readable = False
    if len(trimmed) > MAX_TEXT or not readable:
        raise Refused(
            "intake.text-refused",
            expected=f"{what}: at most {MAX_TEXT} characters on one line, none invisible",
            found=f"{len(trimmed)} characters: {trimmed[:40]!r}",
            act="shorten or retype it",
        )
    return trimmed


OPTIONS: Final = ("dismiss-banner", "keep-downloads", "video")  # docs/spec/capture.md §2


def capture_options(wanted: Iterable[str]) -> tuple[str, ...]:
    """What a capture does besides, in one order, each once. Raises Refused for another."""
    asked = set(wanted)
    if not asked <= set(OPTIONS):
        raise Refused(
            "capture.no-such-option",
            expected=", ".join(OPTIONS),
            found=repr(min(asked - set(OPTIONS))[:60]),
            act="choose among these",
        )
    return tuple(one for one in OPTIONS if one in asked)


def web_address(url: str) -> str:
    """An address that a browser can be sent to: http or https, with a host, no credentials."""
    text = url.strip()
    refused = {
        "expected": "an address that begins with http:// or https:// and names a host, "
        f"without blanks, of {MAX_URL} octets at most",
        "act": "check the address",
    }
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise Refused("capture.url-not-http", found=repr(text[:120]), **refused) from None
    blank = any(
        one.isspace() or ord(one) < 0x20 or one == "\x7f" or 0xD800 <= ord(one) < 0xE000
        for one in text
    )
    if (
        parts.scheme not in {"http", "https"}
        or not host
        or blank
        or len(text.encode("utf-8", "replace")) > MAX_URL
    ):
        raise Refused("capture.url-not-http", found=repr(text[:120]), **refused)
    if parts.username or parts.password:
        raise Refused(
            "capture.url-with-password",
            expected="an address without user name and password: certificates print it",
            found=f"credentials for {host}",
            act="leave them out",
        )
    return text
