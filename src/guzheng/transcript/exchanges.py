"""One exchange as it passed over the wire: what was asked, what was answered, and its place."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from guzheng.transcript.codings import Content, content_of

Headers = list[tuple[str, str]]


@dataclass(slots=True)
class Frames:
    """Of a WebSocket: messages begun by each side, control frames apart (RFC 6455 §5)."""

    sent: int = 0
    received: int = 0
    control: int = 0


@dataclass(slots=True)
class Exchange:
    """Bodies are as they came out of the transfer, their content codings still on."""

    connection: int
    stream: int  # of HTTP/2; of HTTP/1 the number of the exchange on its connection
    at: int  # offset in the sent stream of the record in which the request begins
    protocol: str  # http/1.1 or h2
    method: str
    url: str
    request_headers: Headers = field(default_factory=Headers)
    request_body: bytearray = field(default_factory=bytearray)
    status: int = 0
    response_headers: Headers = field(default_factory=Headers)
    body: bytearray = field(default_factory=bytearray)
    whole: bool = False  # the answer came to its end
    why: str = ""  # if not
    informed: list[int] = field(default_factory=list[int])  # 1xx before the answer
    frames: Frames | None = None  # it became a WebSocket
    _content: Content | None = None

    @property
    def content(self) -> Content:
        """The body once its content codings are undone; measured once."""
        if self._content is None:
            codings = ",".join(values_of(self.response_headers, "content-encoding"))
            self._content = content_of(bytes(self.body), codings)
        return self._content


def values_of(headers: Sequence[tuple[str, str]], name: str) -> list[str]:
    return [value for one, value in headers if one.lower() == name]


def url_of(scheme: str, authority: str, target: str) -> str:
    """As a browser spells it: the host in lower case, the usual port left out."""
    if target.startswith(("http://", "https://")):
        return target
    host = authority.lower()
    usual = {"http": ":80", "https": ":443"}.get(scheme, "")
    return f"{scheme}://{host.removesuffix(usual) if usual else host}{target}"
