"""One request and what came of it, as the browser reported both.

`outcome` says whether it stands in the archive; whatever does not stand there whole has a
`why`. Nothing that was asked for is left out of the record.
"""

from dataclasses import dataclass, field
from datetime import datetime

from guzheng.capturer.devtools import Values, as_object, inner, listing, number, text
from guzheng.capturer.streams import REPLACED, Stream

RECORDED = "recorded"  # request, response and body
WITHOUT_BODY = "recorded-without-body"  # the browser gave no body
IN_PART = "recorded-in-part"  # the body was cut off
FAILED = "failed"  # no response: refused, broken, aborted
UNFINISHED = "unfinished"  # no response when the capture ended
FROM_CACHE = "from-cache"  # nothing went over the wire
FROM_WORKER = "from-service-worker"  # answered inside the browser; its own requests are apart
WEBSOCKET = "websocket"  # the handshake is archived, the frames are an item of their own
ARCHIVED = frozenset({RECORDED, WITHOUT_BODY, IN_PART})

Headers = list[tuple[str, str]]
_BODILESS = frozenset({204, 205, 304})  # RFC 9110 §15


@dataclass(slots=True)
class Exchange:
    """Filled in as events arrive; `close` decides the outcome."""

    number: int
    method: str
    url: str
    kind: str  # Chromium's type of resource, lower case
    frame: str
    session: str
    request: str  # the browser's own name for it
    began_at: datetime
    request_headers: Headers = field(default_factory=list)
    request_body: bytes = b""
    request_head: str = ""  # raw, HTTP/1 only
    has_extra: bool = False
    status: int = 0
    reason: str = ""
    protocol: str = ""
    mime: str = ""
    response_headers: Headers = field(default_factory=list)
    response_head: str = ""  # raw, HTTP/1 only
    peer: str = ""  # where the egress connected to; the browser knows the egress only
    connection: int = 0  # the browser's number of the connection it came over
    security: Values = field(default_factory=dict)
    body: bytes | None = None
    octets_reported: int = 0  # of the decoded body, as they came in
    redirected_to: str = ""
    finished: bool = False
    finished_at: float = 0.0  # when we heard of it, on the monotonic clock
    asked: float = 0.0  # these three on the browser's monotonic clock
    answered: float = 0.0
    ended: float = 0.0
    stream: Stream | None = None  # of a body without end, as it came
    parted: bool = False  # of a picture that replaces itself: the first has come
    failed_because: str = ""
    body_missing_because: str = ""
    from_cache: bool = False
    from_worker: bool = False
    frames_sent: int = 0
    frames_received: int = 0
    outcome: str = ""
    why: str = ""

    def answer(self, response: Values) -> None:
        """What responseReceived (or the next hop's redirectResponse) says."""
        self.status = int(number(response, "status"))
        self.reason = text(response, "statusText")
        self.protocol = text(response, "protocol")
        self.mime = text(response, "mimeType")
        self.response_headers = pairs_of(inner(response, "headers"))
        if sent := inner(response, "requestHeaders"):
            self.request_headers = pairs_of(sent)
        self.connection = int(number(response, "connectionId"))
        self.security = inner(response, "securityDetails")
        self.from_cache |= bool(
            response.get("fromDiskCache") or response.get("fromPrefetchCache")
        )
        self.from_worker |= response.get("fromServiceWorker") is True

    def take_extra(self, request: Values, response: Values) -> None:
        """What the network stack sent and received, before anything was hidden or merged."""
        if headers := inner(request, "headers"):
            self.request_headers = pairs_of(headers)
        if headers := inner(response, "headers"):
            self.response_headers = pairs_of(headers)
            self.response_head = text(response, "headersText")
            self.status = int(number(response, "statusCode")) or self.status

    @property
    def wait_milliseconds(self) -> int:
        return max(0, int((self.answered - self.asked) * 1000)) if self.answered else 0

    @property
    def receive_milliseconds(self) -> int:
        return max(0, int((self.ended - self.answered) * 1000)) if self.answered else 0

    @property
    def is_replaced(self) -> bool:
        """A picture that a camera replaces by the next; the browser keeps the last alone."""
        return self.kind == "image" and self.mime == REPLACED

    def close(self) -> None:
        not_given = "" if self.stream is None else self._close_stream(self.stream)
        self.outcome, self.why = self._judge(not_given)

    def _close_stream(self, stream: Stream) -> str:
        """What is missing of it, unless the browser had kept the body by itself after all."""
        came = stream.beginning
        if self.body and len(self.body) > len(came) and not self.is_replaced:
            return ""
        if came or stream.reported:
            self.body = came or None
        return f"; {stream.why}" if stream.why else ""

    def _judge(self, not_given: str) -> tuple[str, str]:
        if self.kind == "websocket" and self.status:
            return WEBSOCKET, (
                self.failed_because
                or f"{self.frames_sent} frames sent, {self.frames_received} received"
            )
        if self.from_worker:
            return FROM_WORKER, ""
        if self.from_cache and self.status != 304:
            return FROM_CACHE, ""
        if not self.status:
            if self.failed_because:
                return FAILED, self.failed_because
            return UNFINISHED, "no response when the capture ended"
        if self.redirected_to or self._needs_no_body():
            return self._judge_bodiless()
        if self.body is None:
            why = self.failed_because or self.body_missing_because or "the body never ended"
            return WITHOUT_BODY, why + not_given
        if not self.finished:
            return IN_PART, (self.failed_because or "the body had not ended") + not_given
        if self.octets_reported and self.octets_reported != len(self.body):
            return IN_PART, f"{self.octets_reported} octets reported, {len(self.body)} given"
        return RECORDED, ""

    def _needs_no_body(self) -> bool:
        return self.status in _BODILESS or self.method == "HEAD" or self.kind == "preflight"

    def _judge_bodiless(self) -> tuple[str, str]:
        announced = find_header(self.response_headers, "content-length") or "0"
        if announced == "0" or self.status in _BODILESS or self.method == "HEAD":
            self.body = b""  # of a 304 the browser would give what it had kept before
            return RECORDED, ""
        self.body = self.body or b""
        return WITHOUT_BODY, "the browser keeps no body of a redirect or a preflight"


def pairs_of(headers: Values) -> Headers:
    """Chromium joins headers of one name by newlines; each was a line of its own."""
    pairs: Headers = []
    for name, value in headers.items():
        if isinstance(value, str):
            pairs += [(name, one) for one in value.split("\n")]
    return pairs


def find_header(headers: Headers, name: str) -> str | None:
    return next((value for one, value in headers if one.lower() == name), None)


def post_entries(request: Values) -> list[str]:
    """The parts of a request body in base64, as far as the browser told them."""
    return [text(as_object(one), "bytes") for one in listing(request, "postDataEntries") if one]
