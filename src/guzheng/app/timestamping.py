"""The authority as strangers ask it: who may, what is answered, and what is counted.

One object for every face that speaks RFC 3161 over HTTP, so that a token from the web face and
one from `guzheng tsa` come the same way: admit, issue, commit. It is synchronous and may be
shared by threads; a face that wants many tokens in one flush issues several before it commits.
"""

import contextlib
import ipaddress
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from guzheng.app.auditing import Audit, copied
from guzheng.app.clients import client_names
from guzheng.app.parts import Parts
from guzheng.config import Config
from guzheng.fix import RotatingAuthority
from guzheng.fix.admission import Admission, Limits, TooMany, bucket_of, client_of
from guzheng.fix.authority import Answer, rejected
from guzheng.fix.request import (
    MAX_REQUEST_OCTETS,
    Failure,
    Rejection,
    asks_for_sm3,
    is_sm3,
    parse,
)
from guzheng.refusals import Problem, Refused, Unavailable
from guzheng.store.counts import Counts

QUERY_LIMIT: Final = MAX_REQUEST_OCTETS
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
JOURNAL: Final = "journal"

GRANTED, JOURNAL_FAILED, MICROSECONDS = "granted", "journal-failed", "microseconds"
REFUSALS: Final = (
    "fix.too-many-requests",
    "web.not-a-timestamp-query",
    "web.upload-too-big",
    "web.method-not-allowed",
    "web.too-slow",
    "web.busy",
)
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
# Their order is their place in the files: add at the end only (store/counts.py).
COUNTED: Final = (
    GRANTED,
    JOURNAL_FAILED,
    MICROSECONDS,
    *(f"seconds.{one}" for one in SECONDS),
    "seconds.more",
    *(f"rejected.{one.name.lower()}" for one in Failure),
    *(f"refused.{one}" for one in REFUSALS),
)
_BUCKETS: Final = (*(f"seconds.{one}" for one in SECONDS), "seconds.more")
_REMINDER_SECONDS: Final = 60.0


class Timestamping:
    """Admission, authority, journal and counters of this process."""

    def __init__(
        self,
        config: Config,
        parts: Parts,
        counts: Counts,
        audit: Audit,
        monotonic: Callable[[], float],
    ) -> None:
        self.counts = counts
        self.monotonic = monotonic
        self._local: RotatingAuthority = parts.local
        self._sm2: RotatingAuthority | None = parts.sm2
        self._audit = audit
        self._admission = Admission(
            Limits(config.tsa_rate, config.tsa_burst, config.tsa_per_day)
        )
        self._who = _reader(
            config.trusted_proxies,
            client_names(config.journal_client, parts.data / JOURNAL, parts.entropy),
        )
        self._admitting = threading.Lock()
        self._failing: set[tuple[Failure, str]] = set()
        self._refused, self._reminded = 0, float("-inf")

    def admit(self, address: str, forwarded: str | None) -> str:
        """The client's name in the journal; `TooMany` when it must wait."""
        bucket, name = self._who(address, forwarded)
        try:
            with self._admitting:
                self._admission.admit(bucket, self.monotonic())
        except TooMany as refusal:
            self.turned_away(refusal)
            raise
        return name

    def issue(self, request_der: bytes, client: str) -> Answer:
        """The answer, which must not leave before `committed`."""
        return self.issue_all([(request_der, client)])[0]

    def issue_all(self, asked: Sequence[tuple[bytes, str]]) -> list[Answer]:
        """The answers to many questions at once, in their order; SM3 is SM2's to stamp."""
        national = [bool(self._sm2) and asks_for_sm3(one) for one, _ in asked]
        if self._sm2 is None or not any(national):
            answers = self._by(self._local, asked)
        else:
            answers = [
                self._by(self._sm2 if sm2 else self._local, [one])[0]
                for one, sm2 in zip(asked, national, strict=True)
            ]
        for one in answers:
            if one.failure is not None:
                self._rejected(one.failure, one.code)
        return answers

    def _by(
        self, authority: RotatingAuthority, asked: Sequence[tuple[bytes, str]]
    ) -> list[Answer]:
        """Rejected when the next key was put there and cannot be used here: who asked must know
        that the fault is ours, and an older key may have been stolen."""
        try:
            return authority.issue_all(asked)
        except Problem as problem:
            failing = Rejection(Failure.SYSTEM_FAILURE, problem.code, problem.code)
            return [rejected(failing)] * len(asked)

    def issue_sm2(self, request_der: bytes, client: str) -> Answer:
        """Under SM2 or not at all: for an imprint of SM3, and badAlg for any other."""
        other = False
        with contextlib.suppress(Rejection):  # the authority says what is wrong with it
            other = not is_sm3(parse(request_der))
        if self._sm2 is None or other:
            said = "this path stamps SM3 imprints, under SM2"
            said = said if other else "no SM2 on this machine"
            answer = rejected(Rejection(Failure.BAD_ALG, said))
        else:
            answer = self._by(self._sm2, [(request_der, client)])[0]
        if answer.failure is not None:
            self._rejected(answer.failure, answer.code)
        return answer

    def committed(self, answer: Answer) -> bytes:
        """The octets that may leave now: the token, or why there is none."""
        if answer.group is None:
            return answer.response_der
        try:
            self._local.commit(answer)
        except Unavailable as error:
            self.counts.add(JOURNAL_FAILED)
            self._rejected(Failure.SYSTEM_FAILURE, error.code)
            return rejected(Rejection(Failure.SYSTEM_FAILURE, error.code)).response_der
        self.counts.add(GRANTED)
        if self._failing:
            self._failing.clear()
            self._audit.tell("tsa.issuing", signer=self._local.signer)
        return answer.response_der

    def committed_all(self, answers: Sequence[Answer]) -> list[bytes]:
        """As `committed` each, in their order; those of one group with one flush."""
        told: list[bytes] = []
        granted = 0
        for answer in answers:
            if answer.group is not None and answer.group.durable and not self._failing:
                granted += 1
                told.append(answer.response_der)
            else:
                told.append(self.committed(answer))
        self.counts.add(GRANTED, granted)
        return told

    def took(self, seconds: float) -> None:
        """How long an answer took, from the whole question to the whole answer."""
        self.took_all((seconds,))

    def took_all(self, durations: Sequence[float]) -> None:
        """As `took` each."""
        self.counts.add(MICROSECONDS, int(sum(durations) * 1_000_000))
        places = Counter(bisect_left(SECONDS, one) for one in durations)
        for place, number in places.items():
            self.counts.add(_BUCKETS[place], number)

    def turned_away(self, problem: Problem) -> None:
        """Somebody was refused before the question was read; told once a minute, counted
        always: who floods us must not fill the disk as well."""
        self.counts.add(f"refused.{problem.code}")
        self._refused += 1
        now = self.monotonic()
        if now - self._reminded >= _REMINDER_SECONDS:
            refused, self._refused, self._reminded = self._refused, 0, now
            self._audit.tell("tsa.refusing", code=problem.code, refused=refused)

    def _rejected(self, failure: Failure, code: str) -> None:
        self.counts.add(f"rejected.{failure.name.lower()}")
        if failure in (Failure.TIME_NOT_AVAILABLE, Failure.SYSTEM_FAILURE):
            self._fails(failure, code)

    def _fails(self, failure: Failure, code: str) -> None:
        """For a reason of ours; each is told once, until timestamps leave again."""
        if (failure, code) not in self._failing:
            self._failing.add((failure, code))
            self._audit.tell("tsa.failing", failure=failure.name.lower(), code=code)


def _reader(
    proxies: Sequence[str], name: Callable[[str], str]
) -> Callable[[str, str | None], tuple[str, str]]:
    """Address and X-Forwarded-For → whose bucket, and which name in the journal."""
    networks = tuple(ipaddress.ip_network(one) for one in proxies)

    @lru_cache(maxsize=4096)
    def who(address: str, forwarded: str | None) -> tuple[str, str]:
        client = client_of(address, forwarded, networks)
        return bucket_of(client), name(client)

    return who


def open_timestamping(
    config: Config, parts: Parts, monotonic: Callable[[], float]
) -> Timestamping:
    """For this process. Opened after it was forked, if it was."""
    copied(parts.data, config.audit_copy)
    return Timestamping(
        config,
        parts,
        open_counts(parts.data),
        Audit(parts.data, parts.now),
        monotonic,
    )


def open_counts(data: Path) -> Counts:
    try:
        return Counts(data / "counts", COUNTED)
    except OSError as error:
        raise Unavailable(
            "store.disk-full",
            expected="a page of memory for counters",
            found=error.strerror or type(error).__name__,
            act="the operator makes room in the data directory",
        ) from error


def require_query(method: str, media_type: str | None, length: str | None) -> None:
    """What HTTP must say before a question is read: RFC 3161 §3.4; or `Refused`."""
    if method != "POST":
        raise Refused("web.method-not-allowed", expected="POST", found=method[:20])
    plain = (media_type or "").partition(";")[0].strip().lower()
    if plain != QUERY:
        raise Refused("web.not-a-timestamp-query", expected=QUERY, found=plain[:100] or "none")
    if length is not None and (not length.isdecimal() or int(length) > QUERY_LIMIT):
        raise too_big(length)


def too_big(size: str) -> Refused:
    return Refused("web.upload-too-big", expected=f"≤ {QUERY_LIMIT:,} octets", found=size[:20])
