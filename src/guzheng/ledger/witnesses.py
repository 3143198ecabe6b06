"""One witness of others, asked over HTTP: c2sp.org/tlog-witness.

Takes a checkpoint with a proof that it continues the last one the witness saw, gives the
cosignatures it answered with; and reads what it shows to everybody (the monitoring path).
A witness is an outside party that owes us nothing: its answers are bounded in length and
time, and count only when its key signed them. Whatever goes wrong out there is `Unavailable`
with what was found; what that means is judged elsewhere (gathering, hearing).
"""

import re
import threading
import weakref
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING

from guzheng.proof import instant, policy
from guzheng.proof.errors import ProofError
from guzheng.proof.note import Checkpoint, Note, Signature, VerifierKey, require_checkpoint
from guzheng.refusals import Refused, Unavailable

if TYPE_CHECKING:
    import httpx

SIZE_TYPE = "text/x.tlog.size"
MAX_ANSWER_OCTETS = 64 * 1024  # a checkpoint with a dozen post-quantum signatures
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
_MAX_SHOWN = 200
_AHEAD = timedelta(hours=1)  # of our own clock; tlog-cosignature lets us refuse the future


class OtherSize(Exception):
    """HTTP 409: the newest checkpoint that the witness knows has this size."""

    def __init__(self, size: int) -> None:
        super().__init__(f"size {size}")
        self.size = size


class HttpWitness:
    """A witness of the policy, behind its URL. Threads may share it."""

    def __init__(
        self,
        witness: policy.Witness,
        *,
        timeout_seconds: float,
        monitoring: str | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """`monitoring`: the prefix of what it shows, if it differs from where it is asked.
        `now`: the clock that its times are held against; without one any time is taken.
        """
        self.name, self.key = witness.name, witness.key
        self.asked_at = _prefix(witness.name, witness.url or "")
        self._shown = _prefix(witness.name, monitoring) if monitoring else self.asked_at
        self._timeout_seconds = timeout_seconds
        self._now = now
        self._client: httpx.Client | None = None
        self._opening = threading.Lock()

    def add_checkpoint(self, old: int, proof: Sequence[bytes], note: bytes) -> Note:
        """The note with this witness's cosignatures alone; raises OtherSize."""
        lines = [f"old {old}", *(b64encode(one).decode() for one in proof), "", ""]
        body = "\n".join(lines).encode() + note
        status, kind, answer = self._answer("POST", f"{self.asked_at}/add-checkpoint", body)
        if status == HTTPStatus.CONFLICT and kind == SIZE_TYPE:
            if size := _SIZE.fullmatch(answer):
                raise OtherSize(int(size[1]))
            raise self._unsound("a size and a newline", repr(answer[:40]))
        if status != HTTPStatus.OK:
            raise self._declined(status, answer)
        return self._after(note, answer)

    def _after(self, note: bytes, answer: bytes) -> Note:
        """The checkpoint was taken; a witness has cosigned it with that."""
        return self._cosigned(note, answer)

    def _cosigned(self, note: bytes, answer: bytes) -> Note:
        """What it cosigned; lines of others are not for us to judge, its own must be true."""
        text = Note.parse(note).text
        try:
            lines = Note.parse(text + b"\n" + answer).signatures
            own = tuple(one for one in lines if self._is_own(one))
            times = Note(text, own).find_signed([self.key])
        except ProofError as error:
            raise self._unsound("its cosignature", f"{error.code}: {error.found}") from error
        at = times.get(self.key)
        if at is None:
            raise self._unsound(self.key.name, "no cosignature of its key that states a time")
        if (
            self._now is not None and at > self._now() + _AHEAD
        ):  # it would stand on certificates
            raise self._unsound("a time that has come", instant.encode(at))
        return Note(text, own)

    def _is_own(self, signature: Signature) -> bool:
        return (signature.name, signature.key_id) == (self.key.name, self.key.id)

    def newest(self, log: VerifierKey) -> tuple[Checkpoint, Note] | None:
        """The checkpoint of this log that the witness shows; None when it shows none.

        The log's own signature is demanded too: a witness alone cannot say what a log did."""
        place = sha256(log.name.encode()).hexdigest()
        status, _, answer = self._answer("GET", f"{self._shown}/{place}/checkpoint", None)
        if status == HTTPStatus.NOT_FOUND:
            return None
        if status != HTTPStatus.OK:
            raise self._declined(status, answer)
        try:
            note = Note.parse(answer)
            checkpoint = require_checkpoint(note, log)
            note.require_signed([self.key])
        except ProofError as error:
            raise self._unsound(
                "a checkpoint signed by log and witness", f"{error.code}: {error.found}"
            ) from error
        return checkpoint, note

    def _answer(
        self,
        method: str,
        url: str,
        body: bytes | None,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> tuple[int, str, bytes]:
        import httpx

        wait = seconds or self._timeout_seconds
        answer = bytearray()
        try:
            with self._opened().stream(
                method, url, content=body, headers=headers, timeout=wait
            ) as response:
                kind = (
                    response.headers.get("content-type", "").partition(";")[0].strip().lower()
                )
                for part in response.iter_raw():
                    answer += part
                    if len(answer) > MAX_ANSWER_OCTETS:
                        raise self._unsound(f"at most {MAX_ANSWER_OCTETS} octets", "more")
                return response.status_code, kind, bytes(answer)
        except httpx.TimeoutException as error:
            raise self._silent(f"no whole answer in {wait:g} s") from error
        except httpx.HTTPError as error:
            raise self._silent(str(error) or type(error).__name__) from error

    def _opened(self) -> "httpx.Client":
        """The client, made when first wanted; it keeps its connection, and ends with us."""
        from guzheng import asking

        with self._opening:
            if self._client is None:
                secure = "https:" in (self.asked_at[:6], self._shown[:6])
                self._client = asking.client(
                    asking.trusting(secure=secure),
                    seconds=self._timeout_seconds,
                    headers={"Accept-Encoding": "identity", "Content-Type": "text/plain"},
                )
                weakref.finalize(self, self._client.close)
            return self._client

    def _silent(self, found: str) -> Unavailable:
        return self._unavailable("ledger.witness-unreachable", "an answer over HTTP", found)

    def _declined(self, status: int, answer: bytes) -> Unavailable:
        said = answer[:80].decode("utf-8", "replace").strip()
        found = f"HTTP {status} {said}".strip()
        return self._unavailable("ledger.witness-declined", "HTTP 200", found)

    def _unsound(self, expected: str, found: str) -> Unavailable:
        return self._unavailable("ledger.witness-unsound", expected, found)

    def _unavailable(self, code: str, expected: str, found: str) -> Unavailable:
        return Unavailable(
            code,
            expected=expected,
            found=f"{self.name}: {found[:_MAX_SHOWN]}",
            act=f"nothing to do if this passes; else ask who runs {self.name}",
        )


def _prefix(name: str, url: str) -> str:
    import httpx  # where it is needed: most commands ask nobody

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise Refused(
            "ledger.witness-url",
            expected=f"an address of the witness {name} that begins with http:// or https://",
            found=repr(url[:_MAX_SHOWN]),
            act="mend the ledger's policy",
        )
    return url.rstrip("/")
