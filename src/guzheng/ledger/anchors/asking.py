"""HTTP to systems that owe us nothing: one question, one answer, bounded in length and time."""

from collections.abc import Mapping

from guzheng.refusals import Refused, Unavailable

MAX_ANSWER_OCTETS = 4 << 20  # a receipt with its logs stays far below
_MAX_SHOWN = 200


class Asker:
    """Asks one address. Redirects are not followed, proxies not guessed."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        timeout_seconds: float,
    ) -> None:
        import httpx  # where it is needed: most commands ask nobody

        from guzheng import asking

        try:
            self._url = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise _bad_url(str(error)) from error
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise _bad_url(url)
        self._name, self._timeout_seconds = name, timeout_seconds
        self._tls = asking.trusting(secure=self._url.scheme == "https")

    def ask(
        self,
        method: str,
        path: str = "",
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body; `Unavailable` when there is none to be had."""
        import httpx

        from guzheng import asking

        url = str(self._url).rstrip("/") + path if path else self._url
        answer = bytearray()
        try:
            with (
                asking.client(self._tls, seconds=self._timeout_seconds) as client,
                client.stream(method, url, content=content, headers=dict(headers or {})) as got,
            ):
                for part in got.iter_bytes():
                    answer += part
                    if len(answer) > MAX_ANSWER_OCTETS:
                        raise self.away(f"more than {MAX_ANSWER_OCTETS} octets")
                return got.status_code, bytes(answer)
        except httpx.TimeoutException as error:
            raise self.away(f"no whole answer in {self._timeout_seconds:g} s") from error
        except httpx.HTTPError as error:
            raise self.away(str(error) or type(error).__name__) from error

    def away(self, found: str) -> Unavailable:
        return Unavailable(
            "anchor.unavailable",
            expected=f"an answer of {self._name}",
            found=found[:_MAX_SHOWN],
            act="nothing to do if this passes; else check its address",
        )


def _bad_url(found: str) -> Refused:
    return Refused(
        "anchor.url",
        expected="an address that begins with http:// or https://",
        found=found[:_MAX_SHOWN],
        act="set the address of the anchor right",
    )
