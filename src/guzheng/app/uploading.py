"""Uploads over bad networks: broken off, taken up again, and at the end a deposit like any.

What comes in is kept in parts, each hashed while it is received and durable before it is
counted (waiting.py). At the end the deposit is made of them, under a name that was promised
before: a server killed at any moment makes it once. Refused: what is larger than may come in,
more at once than an account may have, what the disk has no room for, and octets that are not
the ones that were announced."""

import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from guzheng import intake
from guzheng.app.originals import Originals
from guzheng.app.parts import Parts
from guzheng.app.waiting import after, waiting_in
from guzheng.config import Config
from guzheng.intake.rules import item_name, stated
from guzheng.intake.uploads import FOLDER, KEPT, Arriving, Part, UploadRows
from guzheng.proof.digest import Hasher, new_hasher
from guzheng.refusals import Problem, Refused, Unavailable
from guzheng.road import Road
from guzheng.store import ids
from guzheng.store.lease import leased

COUNTED: Final = 64 << 20  # octets that a killed server may have to be sent again, at most
COUNTED_SECONDS: Final = 2.0  # and those of so much time, while they come
_WORTH: Final = 1 << 20  # octets below which time alone is no reason to wait for the disk
CHECKED: Final = 64 << 20  # octets that can be sent under one checksum
ROOM: Final = 256 << 20  # octets that stay free, whatever comes
_CUT: Final = frozenset({"web.cut-off"})


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the sender says of the octets of one request: `sha1` or `sha256`, and the digest."""

    algorithm: str
    digest: bytes


class Uploading:
    """May be shared by threads; several programs may share one waiting room."""

    def __init__(
        self,
        config: Config,
        parts: Parts,
        walking: Road,
        originals: Originals,
        enqueue: Callable[[str], None],
        *,
        free: Callable[[], int] | None = None,
    ) -> None:
        self._config, self._parts, self._road = config, parts, walking
        self._originals, self._enqueue = originals, enqueue
        self._rows = UploadRows(parts.accounts)
        self._waiting = waiting_in(parts.blobs, parts.entropy)
        on_disk = None if config.s3_bucket else _free_below(parts.data)
        self._free = free or on_disk

    # ---- looking ---------------------------------------------------------------------

    @property
    def largest(self) -> int:
        return self._config.largest_upload

    def account_of(self, upload: str) -> str | None:
        return self._rows.account_of(upload)

    def find(self, upload: str) -> Arriving:
        """As it stands; Refused when there is none, or it expired."""
        one = self._rows.find(upload)
        if one is None:
            raise Refused("upload.not-found", expected="an upload", found=repr(upload[:40]))
        if not one.ended and one.expires_at < self._parts.now():
            raise Refused("upload.expired", expected="before its end", found=upload)
        return one

    def unfinished(self, *, account: str = ids.LOCAL) -> tuple[Arriving, ...]:
        now = self._parts.now()
        return tuple(one for one in self._rows.unfinished(account) if one.expires_at >= now)

    # ---- receiving -------------------------------------------------------------------

    def open(self, wanted: Arriving) -> Arriving:
        """Begin one; `upload` and the times of `wanted` are not looked at. Everything that
        would be refused at the end is refused here, before an octet is sent."""
        if wanted.size < 1:
            raise Refused("intake.empty-file", expected="a file with content", found="0 octets")
        if wanted.size > self.largest:
            raise Refused(
                "upload.too-large",
                expected=f"at most {self.largest:,} octets",
                found=f"{wanted.size:,} octets",
            )
        item_name(wanted.name)
        if wanted.original_of:
            self._require_awaited(wanted)
        now = self._parts.now()
        one = Arriving(
            upload=ids.new("up", now, self._parts.entropy),
            name=wanted.name,
            size=wanted.size,
            opened_at=now,
            expires_at=self._expires(),
            account=wanted.account,
            person=wanted.person,
            media_type=wanted.media_type[:200],
            sha256=wanted.sha256,
            claimed_name=stated(wanted.claimed_name, "evidence name") or "",
            claimed_applicant=stated(wanted.claimed_applicant, "applicant") or "",
            claimed_purpose=stated(wanted.claimed_purpose, "purpose") or "",
            original_of=wanted.original_of,
        )
        self._require_room(self._waiting.copies * one.size)
        self._rows.open(one, most=self._config.uploads_open)
        return one

    def receive(
        self,
        upload: str,
        offset: int,
        chunks: Iterable[bytes],
        *,
        checksum: Checksum | None = None,
    ) -> Arriving:
        """Octets from `offset` on; gives the upload as it then stands. What came before the
        connection broke stays, unless it was sent under a checksum."""
        with self._alone(upload):
            one = self.find(upload)
            if one.ended and one.ended != KEPT:
                raise Refused("upload.ended", expected="one that goes on", found=one.ended)
            if offset != one.offset:
                raise Refused(
                    "upload.offset-differs", expected=f"{one.offset:,}", found=f"{offset:,}"
                )
            if not one.is_whole:
                self._require_room(0)
                self._take(one, _Body(chunks, one.size - offset), checksum)
                one = self.find(upload)
            if one.is_whole and not one.ended:
                self._finish(one)
                one = self.find(upload)
            return one

    def stop(self, upload: str) -> None:
        """The sender gives it up: its octets go."""
        with self._alone(upload):
            self.find(upload)
            self._forget(upload)

    # ---- tending ---------------------------------------------------------------------

    def round(self) -> None:
        """Finish what was whole when a server was killed; clear away what expired."""
        for upload in self._rows.whole():
            with contextlib.suppress(Problem), self._alone(upload):
                self._finish(self.find(upload))
        for upload in self._rows.expired(self._parts.now()):
            with contextlib.suppress(Problem), self._alone(upload):
                self._forget(upload)

    # ---- within ----------------------------------------------------------------------

    @contextlib.contextmanager
    def _alone(self, upload: str) -> Iterator[None]:
        with leased(self._parts.leases, ids.require_id(upload, "up"), wait=False) as held:
            if not held:
                raise Refused(
                    "upload.busy",
                    expected="one sender at a time",
                    found="another request, or one that broke off and is not noticed yet",
                )
            yield

    def _take(self, one: Arriving, body: "_Body", checksum: Checksum | None) -> None:
        here = one.parts
        while body.more():
            hashed = _Hashed(checksum)
            octets = body.taken(CHECKED) if checksum else self._awhile(body)
            try:
                part = self._waiting.take(
                    one.upload, here, hashed.through(octets), alone=checksum is not None
                )
            except Unavailable as problem:
                raise _room_of(problem) from problem
            if checksum and (body.cut or body.more() or not hashed.fits(part)):
                self._waiting.drop(part)  # of a checksum, all or nothing
                raise body.cut or _checksum_differs(checksum)
            self._rows.add(one.upload, part, expires_at=self._expires())
            here = after(here, part)
        if body.cut:
            raise body.cut

    def _awhile(self, body: "_Body") -> Iterator[bytes]:
        """What comes until it is time to count it: a wait for the disk, and a row."""
        begun = self._parts.now()
        octets = 0
        for chunk in body.taken(COUNTED):
            yield chunk
            octets += len(chunk)
            seconds = (self._parts.now() - begun).total_seconds()
            if octets >= _WORTH and seconds >= COUNTED_SECONDS:
                return

    def _finish(self, one: Arriving) -> None:
        try:
            exhibit = self._deposited(one)
        except Refused as refused:
            self._rows.end(one.upload, ended=refused.code)
            self._clear(one.upload)
            raise
        self._rows.end(one.upload, ended=KEPT)
        self._clear(one.upload)
        self._enqueue(exhibit)

    def _deposited(self, one: Arriving) -> str:
        if one.original_of:
            exhibit = self._rows.promise(one.upload, one.original_of)
            self._originals.attach(exhibit, one.name, self._waiting.octets(one))
            return exhibit
        name = ids.new("ex", self._parts.now(), self._parts.entropy)
        exhibit = self._rows.promise(one.upload, name)
        media_type = one.media_type or intake.media_type_of(one.name)
        here = self._waiting.here(one)
        octets = () if here else self._waiting.octets(one)
        self._road.deposit(
            (intake.Upload(one.name, octets, media_type, here),),
            largest=self.largest,
            claimed_name=one.claimed_name or None,
            claimed_applicant=one.claimed_applicant or None,
            claimed_purpose=one.claimed_purpose or None,
            account=one.account,
            person=one.person,
            exhibit=exhibit,
        )
        return exhibit

    def _require_awaited(self, wanted: Arriving) -> None:
        order = self._road.order(wanted.original_of)
        if order.kind != "hash-only" or order.account != wanted.account:
            raise Refused(
                "intake.no-original-awaited",
                expected="a deposit of which only the fingerprint is here",
                found=wanted.original_of[:40],
            )
        if wanted.size not in {one.size for one in order.items}:
            raise intake.not_the_original(
                ", ".join(f"{one.size:,}" for one in order.items), f"{wanted.size:,}"
            )

    def _require_room(self, octets: int) -> None:
        if self._free is None:
            return
        free = self._free()
        wanted = self._rows.awaited() + octets + ROOM if octets else ROOM
        if free < wanted:
            raise _no_room(f"{wanted:,} octets free", f"{free:,}")

    def _expires(self) -> datetime:
        return self._parts.now() + timedelta(hours=self._config.upload_hours)

    def _forget(self, upload: str) -> None:
        self._rows.forget(upload)  # first: a row must not name what is gone
        self._clear(upload)

    def _clear(self, upload: str) -> None:
        for place in list(self._parts.blobs.names(f"{FOLDER}{upload}/")):
            self._parts.blobs.remove(place)


class _Body:
    """The octets of a request, handed out part by part; remembers that it was cut off."""

    def __init__(self, chunks: Iterable[bytes], most: int) -> None:
        self._chunks = iter(chunks)
        self._held = b""
        self._left = most
        self.cut: Refused | None = None

    def more(self) -> bool:
        """Whether there is at least one octet more; waits for it."""
        while not self._held and self.cut is None:
            try:
                chunk = next(self._chunks, None)
            except Refused as refused:
                if refused.code not in _CUT:
                    raise
                self.cut = refused
                break
            if chunk is None:
                break
            self._held = chunk
        return bool(self._held)

    def taken(self, most: int) -> Iterator[bytes]:
        while most and self.more():
            now, self._held = self._held[:most], self._held[most:]
            if len(now) > self._left:
                raise Refused("upload.too-large", expected=f"≤ {self._left:,} octets more")
            self._left -= len(now)
            most -= len(now)
            yield now


class _Hashed:
    """The checksum of what goes through; a part's own SHA-256 is not made a second time."""

    def __init__(self, checksum: Checksum | None) -> None:
        self._wanted = checksum
        self._hasher: Hasher | None = None
        if checksum is not None and checksum.algorithm != "sha256":
            self._hasher = new_hasher(checksum.algorithm)

    def through(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        if self._hasher is None:
            return chunks
        return self._updated(chunks, self._hasher)

    @staticmethod
    def _updated(chunks: Iterator[bytes], hasher: Hasher) -> Iterator[bytes]:
        for chunk in chunks:
            hasher.update(chunk)
            yield chunk

    def fits(self, part: Part) -> bool:
        """Whether the part, which is all that was sent under it, has this checksum."""
        if self._wanted is None:
            return True
        found = self._hasher.digest() if self._hasher else bytes.fromhex(part.sha256)
        return found == self._wanted.digest


def _checksum_differs(checksum: Checksum) -> Refused:
    return Refused(
        "upload.checksum-differs",
        expected=f"{checksum.algorithm} {checksum.digest.hex()}, over ≤ {CHECKED:,} octets",
        found="other octets",
        act="send these octets again",
    )


def _free_below(data: Path) -> Callable[[], int]:
    return lambda: shutil.disk_usage(data).free


def _no_room(expected: str, found: str) -> Refused:
    return Refused(
        "upload.no-room",
        expected=expected,
        found=found,
        act="the operator frees space; what was sent stays for a while, and can be continued",
    )


def _room_of(problem: Unavailable) -> Problem:
    if problem.code == "store.disk-full":
        return _no_room(problem.expected, problem.found)
    return problem
