"""What was ordered: the file that starts a capture, read strictly (docs/spec/capture.md §2).

An order is canonical JSON. Whatever weakens a capture (a private address that may be contacted,
a TLS key that is trusted without a certificate authority) can only come from here, and is
printed on the record.
"""

import base64
import ipaddress
import re
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import urlsplit

from guzheng.addresses import Network, resolver_address
from guzheng.capturer.bounds import USUAL, read_bounds
from guzheng.capturer.failures import CaptureFailed
from guzheng.capturer.limits import LANGUAGE, MAX_NOTE, MAX_URL
from guzheng.capturer.record import Bounds, Vantage
from guzheng.proof import canonical
from guzheng.proof.errors import Malformed, ProofError
from guzheng.proof.fields import Fields
from guzheng.proof.manifest import require_exhibit_name

SCHEMA = "guzheng.capture-order/1"
# What is done on the page beyond looking, and kept beyond the usual: only if the order says so.
OPTIONS = ("dismiss-banner", "keep-downloads", "video")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class CaptureOrder:
    """`chromium` is a path, or empty to look in the usual places."""

    exhibit: str
    url: str
    allow_private: tuple[Network, ...] = ()
    trust_spki: tuple[str, ...] = ()
    chromium: str = ""
    limits: Bounds = USUAL
    language: str = LANGUAGE
    resolvers: tuple[str, ...] = ()  # asked besides the system's, to compare
    vantage: Vantage | None = None  # how its connections leave this machine
    not_before: str = ""  # the note of a cosigned checkpoint: docs/spec/moments.md
    moments: tuple[str, ...] = ()  # for which whoever started us gives stamps
    options: tuple[str, ...] = ()

    @classmethod
    def parse(cls, octets: bytes) -> "CaptureOrder":
        """Raises CaptureFailed: an order is the caller's to mend."""
        try:
            return cls._read(Fields(canonical.parse(octets), "capture-order"))
        except ProofError as error:
            raise CaptureFailed(
                "capture.order-malformed",
                expected=error.expected,
                found=error.found,
                act="whoever wrote the order",
            ) from error

    @classmethod
    def _read(cls, fields: Fields) -> "CaptureOrder":
        fields.one_of("schema", (SCHEMA,))
        order = cls(
            exhibit=require_exhibit_name(fields.text("exhibit", longest=64)),
            url=fields.text("url", longest=1024 * 1024),
            allow_private=tuple(_network(text) for text in fields.texts("allow_private")),
            trust_spki=(
                tuple(_spki(text) for text in fields.texts("trust_spki", most=20))
                if fields.has("trust_spki")
                else ()
            ),
            chromium=fields.text_or_none("chromium") or "",
            limits=read_bounds(fields.take("limits")) if fields.has("limits") else USUAL,
            options=tuple(
                _option(text)
                for text in (fields.texts("options", most=20) if fields.has("options") else ())
            ),
            language=_language(fields.text_or_none("lang", longest=40) or LANGUAGE),
            resolvers=(
                tuple(_resolver(text) for text in fields.texts("resolvers", most=4))
                if fields.has("resolvers")
                else ()
            ),
            vantage=fields.optional("vantage", _vantage),
            not_before=fields.text_or_none("not_before", longest=MAX_NOTE) or "",
            moments=fields.texts("moments", most=16) if fields.has("moments") else (),
        )
        fields.end()
        return order


def require_url(url: str) -> str:
    """The URL, if a browser may be sent there. Raises CaptureFailed."""
    fault = _url_fault(url)
    if fault:
        raise CaptureFailed(
            "capture.url-not-http",
            expected=fault,
            found=without_password(url)[:200],
            act="the applicant",
        )
    if "@" in urlsplit(url).netloc:
        raise CaptureFailed(
            "capture.url-with-password",
            expected="no user name and no password in the URL: they would stand on the record",
            found="a URL with @ before its host",
            act="the applicant",
        )
    return url


def without_password(url: str) -> str:
    """For the record: whatever stands before @ in the authority is nobody's to read."""
    return re.sub(r"//[^/?#]*@", "//…@", url)


def _url_fault(url: str) -> str:
    if len(url) > MAX_URL:
        return f"at most {MAX_URL} characters"
    if any(ord(one) <= 0x20 or ord(one) == 0x7F for one in url):
        return "no blank and no control character"
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return "a well-formed URL"
    if parts.scheme.lower() not in {"http", "https"}:
        return "a URL that begins with http:// or https://"
    if not host:
        return "a URL with a host name"
    return ""


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise Malformed(
            "order.network", expected="a network such as 127.0.0.0/8", found=text[:60]
        ) from error


def _vantage(value: object) -> Vantage:
    """`direct`; `bind` with an address of this machine; `socks` with ADDRESS:PORT."""
    fields = Fields(value, "capture-order.vantage")
    name = fields.text("name", longest=60)
    means = fields.one_of("means", ("direct", "bind", "socks"))
    address = fields.text_or_none("address", longest=100)
    fields.end()
    try:
        if address is not None:
            _, port = resolver_address(address)
            plain = str(ipaddress.ip_address(address)) if means == "bind" else address
            fits = plain == address and (means == "bind" or port > 0) and means != "direct"
        else:
            fits = means == "direct"
    except ValueError:
        fits = False
    if not fits:
        wanted = "direct, bind with an address, or socks with ADDRESS:PORT"
        raise Malformed("order.vantage", expected=wanted, found=f"{means} {address}"[:80])
    return Vantage(name, cast(Literal["direct", "bind", "socks"], means), address)


def _resolver(text: str) -> str:
    try:
        resolver_address(text)
    except ValueError as error:
        raise Malformed(
            "order.resolver", expected="a resolver such as 1.1.1.1 or [::1]:53", found=text[:60]
        ) from error
    return text


def _option(text: str) -> str:
    if text not in OPTIONS:
        raise Malformed(
            "order.option", expected=f"one of {', '.join(OPTIONS)}", found=text[:60]
        )
    return text


def _spki(text: str) -> str:
    """SHA-256 of a SubjectPublicKeyInfo in base64, as in RFC 7469 §2.4."""
    try:
        octets = base64.b64decode(text, validate=True)
    except ValueError:
        octets = b""
    if len(octets) != 32:
        raise Malformed(
            "order.spki", expected="base64 of a SHA-256 of a public key", found=text[:60]
        )
    return text


def _language(text: str) -> str:
    if not _LANGUAGE.fullmatch(text):
        raise Malformed("order.language", expected="a language tag such as zh-CN", found=text)
    return text
