"""Any RFC 3161 authority that is asked over HTTP (RFC 3161 §3.4).

One question, one answer, no retry: the job asks again, later. Whatever goes wrong out there is
`Unavailable` with what was found; an exhibit is never refused because an authority failed. The
answer is not judged here (see seal.py), only that it is one, is not huge, and comes in time.

Redirects are not followed and proxies are not guessed from the environment: whom we ask is what
the configuration says, octet for octet.
"""

from http import HTTPStatus
from typing import TYPE_CHECKING

from guzheng.refusals import Refused, Unavailable

if TYPE_CHECKING:
    import httpx

QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
MAX_ANSWER_OCTETS = 64 * 1024  # proof.timestamp reads no more; real answers have 1 to 12 kB
_MAX_SHOWN = 200


class HttpAuthority:
    """An authority behind a URL. Threads may share it."""

    __slots__ = ("_timeout_seconds", "_tls", "_url", "name")

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        import httpx  # where it is needed: most commands ask nobody

        from guzheng import asking

        try:
            self._url = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise _bad_url(str(error)) from error
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise _bad_url(f"scheme {self._url.scheme!r} and host {self._url.host!r}")
        if not timeout_seconds > 0:
            raise ValueError(f"a timeout is above zero: {timeout_seconds}")
        self.name = self._url.host  # never the whole URL: it may hold a password
        self._timeout_seconds = timeout_seconds
        self._tls = asking.trusting(secure=self._url.scheme == "https")

    def __repr__(self) -> str:
        return f"HttpAuthority({self.name!r})"

    def respond(self, request_der: bytes) -> bytes:
        """TimeStampReq → TimeStampResp, both DER; `Unavailable` if there is none to be had."""
        import httpx

        from guzheng import asking

        try:
            with (
                asking.client(self._tls, seconds=self._timeout_seconds) as client,
                client.stream(
                    "POST",
                    self._url,
                    content=request_der,
                    headers={
                        "Content-Type": QUERY,
                        "Accept": REPLY,
                        "Accept-Encoding": "identity",
                    },
                ) as response,
            ):
                self._require_reply(response)
                return self._octets_of(response)
        except httpx.TimeoutException as error:
            raise self._too_slow() from error
        except httpx.HTTPError as error:
            raise self._unavailable(
                "fix.authority-unreachable",
                expected="an answer over HTTP",
                found=str(error) or type(error).__name__,
            ) from error

    def _require_reply(self, response: "httpx.Response") -> None:
        if response.status_code != HTTPStatus.OK:
            found = f"HTTP {response.status_code} {response.reason_phrase}"
            if response.has_redirect_location:
                found += f" to {response.headers['location']}"
            raise self._unavailable("fix.authority-declined", expected="HTTP 200", found=found)
        kind = response.headers.get("content-type", "none").partition(";")[0].strip().lower()
        if kind != REPLY:
            raise self._unavailable(
                "fix.authority-not-rfc3161", expected=f"Content-Type {REPLY}", found=kind
            )

    def _octets_of(self, response: "httpx.Response") -> bytes:
        answer = bytearray()
        for part in response.iter_raw():
            answer += part
            if len(answer) > MAX_ANSWER_OCTETS:
                raise self._unavailable(
                    "fix.authority-not-rfc3161",
                    expected=f"an answer of at most {MAX_ANSWER_OCTETS} octets",
                    found="more",
                )
        return bytes(answer)

    def _too_slow(self) -> Unavailable:
        return self._unavailable(
            "fix.authority-unreachable",
            expected=f"an answer within {self._timeout_seconds:g} s",
            found="none",
        )

    def _unavailable(self, code: str, *, expected: str, found: str) -> Unavailable:
        return Unavailable(
            code,
            expected=expected,
            found=found[:_MAX_SHOWN],
            act=f"nothing to do if this passes; else check the address of {self.name}",
        )


def _bad_url(found: str) -> Refused:
    return Refused(
        "fix.authority-url",
        expected="an address that begins with http:// or https://",
        found=found[:_MAX_SHOWN],
        act="set the address of the timestamp authority right",
    )
