"""Blobs in a bucket of S3, or of whatever speaks it: what is there is what a listing shows.

The promises of Blobs rest on conditions that the server judges in one step: a blob is put with
If-None-Match, also when it comes in parts (the condition is on the request that completes
them), and a `Cell` is written with If-Match. So two writers on two machines cannot both win.
A server that takes no notice of conditions is found out when the bucket is opened, and refused.

When S3 answers, bytes and name are durable: that is the server's promise, as a disk's fsync is.
Every request is signed over the SHA-256 of its body, so what arrives is what was sent; a large
original is measured again when its parts were put together, and each item is read again before
a manifest names it. Speaks through obstore (the object_store of Apache Arrow); no key is held
by anything here, or stands in what is raised.
"""

import contextlib
import hashlib
import heapq
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO

import obstore
from obstore import exceptions
from obstore.store import S3Store

from guzheng.refusals import Refused, Unavailable
from guzheng.store.blobs import AlreadyKept, NotKept, UnsafeName, segments_of

if TYPE_CHECKING:
    from obstore.store import S3Config

OWN = ".guzheng/"  # beside the blobs, and no blob: no safe name begins with a dot
PART = 16 << 20  # S3 allows 10,000 parts, so 156 GiB
_AT_ONCE = 4  # parts in memory
_SMALL = 1 << 20  # read in one request
_STRETCH = 4 << 20  # a larger one is read in stretches of this
_HANDS = 16  # requests at a time for many small blobs
_STATUS = re.compile(r"status code: (\d{3}[ A-Za-z]*)")
_PATIENCE = timedelta(seconds=20)  # of one call; whoever called tries again later


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that was seen to judge conditions. `unless_there` is it, with If-None-Match."""

    name: str
    plain: S3Store
    unless_there: S3Store


def open_bucket(
    name: str, *, endpoint: str, region: str, keys: tuple[str, str] | None
) -> Bucket:
    """The bucket, if it can be used. Without keys those of the machine or environment serve."""
    given: S3Config = {"region": region or "us-east-1"}
    if endpoint:  # not Amazon's: the bucket stands in the path, and not in the host's name
        given["endpoint"], given["virtual_hosted_style_request"] = endpoint, False
    if keys:
        given["access_key_id"], given["secret_access_key"] = keys

    def store(headers: dict[str, str]) -> S3Store:
        return S3Store(
            name,
            config=given,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": "5s",
                "default_headers": headers,
            },
            retry_config={"max_retries": 4, "retry_timeout": _PATIENCE},
        )

    bucket = Bucket(name, store({}), store({"If-None-Match": "*"}))
    _require_conditions(bucket)
    return bucket


def _require_conditions(bucket: Bucket) -> None:
    """A second put of a name must be refused, or two writers could both win."""
    with _told(bucket), contextlib.suppress(exceptions.AlreadyExistsError):
        for _ in range(2):
            obstore.put(bucket.plain, f"{OWN}conditions", b"judged\n", mode="create")
        raise Refused(
            "store.bucket-unconditional",
            expected="a server that refuses a put with If-None-Match where there is a blob",
            found=f"{bucket.name}: it was taken twice",
            act="use a server that judges conditional requests; nothing was kept there",
        )


class S3Blobs:
    """See Blobs for the promises. One instance may be used by many threads."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        segments_of(name)
        rest = iter(chunks)
        beginning: list[bytes] = []
        octets = 0
        while octets < PART and (chunk := next(rest, None)) is not None:
            beginning.append(chunk)
            octets += len(chunk)
        if octets < PART:
            self._put_whole(name, b"".join(beginning))
        else:
            self._put_parts(name, itertools.chain(beginning, rest))

    def put_all(self, files: Mapping[str, bytes]) -> None:
        for name in files:
            segments_of(name)
        with ThreadPoolExecutor(_HANDS) as hands:
            for done in [hands.submit(self._put_whole, *file) for file in files.items()]:
                done.result()

    def replace(self, name: str, octets: bytes) -> None:
        segments_of(name)
        with _told(self._bucket):
            obstore.put(self._bucket.plain, name, octets, use_multipart=False)

    def open(self, name: str) -> BinaryIO:
        segments_of(name)
        with _told(self._bucket):
            try:
                found = obstore.get(self._bucket.plain, name)
                size = found.meta["size"]
                if size <= _SMALL:
                    return io.BytesIO(bytes(found.bytes()))
            except FileNotFoundError as error:
                raise NotKept(name) from error
        return io.BufferedReader(_Stretches(self._bucket, name, size), _STRETCH)

    def names(self, prefix: str = "") -> Iterator[str]:
        head, slash, _ = prefix.rpartition("/")
        try:
            folder = "/".join(segments_of(head)) if slash else ""
        except UnsafeName:
            return  # nothing can be kept there
        for name in _by_segment(self._listed(folder)):
            if name.startswith(prefix) and not name.startswith(OWN):
                yield name

    def _listed(self, folder: str) -> Iterator[str]:
        listing = iter(obstore.list(self._bucket.plain, folder or None, chunk_size=1000))
        while True:
            with _told(self._bucket):
                page = next(listing, None)
            if page is None:
                return
            yield from (one["path"] for one in page)

    def remove(self, name: str) -> None:
        segments_of(name)
        with _told(self._bucket), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._bucket.plain, name)

    # -- one blob --------------------------------------------------------------------------

    def _put_whole(self, name: str, octets: bytes) -> None:
        with _told(self._bucket):
            try:
                obstore.put(
                    self._bucket.plain, name, octets, mode="create", use_multipart=False
                )
            except exceptions.AlreadyExistsError as error:
                with self.open(name) as kept:
                    if kept.read() != octets:
                        raise AlreadyKept(name) from error

    def _put_parts(self, name: str, chunks: Iterator[bytes]) -> None:
        """Nothing is there under the name until all parts are; then all of it, or none."""
        sent = _Sent()
        with _told(self._bucket):
            try:
                obstore.put(
                    self._bucket.unless_there,
                    name,
                    sent.counted(chunks),
                    use_multipart=True,
                    chunk_size=PART,
                    max_concurrency=_AT_ONCE,
                )
            except (exceptions.AlreadyExistsError, exceptions.PreconditionError) as error:
                if self._digest_of(name) != sent.digest():
                    raise AlreadyKept(name) from error
                return
            size = obstore.head(self._bucket.plain, name)["size"]
        if size != sent.size:
            raise Unavailable(
                "store.bucket-failed",
                expected=f"{sent.size} octets under {name}",
                found=str(size),
                act="the operator examines that server: it lost octets that it acknowledged",
            )

    def _digest_of(self, name: str) -> bytes:
        hasher = hashlib.sha256()
        with self.open(name) as kept:
            while block := kept.read(_STRETCH):
                hasher.update(block)
        return hasher.digest()


class Cell:
    """A small thing that changes, and only by who has seen what is there: compare and swap."""

    def __init__(self, bucket: Bucket, name: str) -> None:
        self._bucket = bucket
        self._name = OWN + name

    def read(self) -> bytes | None:
        found = self._seen()
        return found[0] if found else None

    def swap(self, old: bytes | None, new: bytes) -> bool:
        """Put `new` in the place of exactly `old`; False when something else is there.

        An answer that got lost is no matter: what is there then is `new`."""
        seen = self._seen()
        if (seen[0] if seen else None) != old:
            return False
        with _told(self._bucket):
            try:
                obstore.put(
                    self._bucket.plain,
                    self._name,
                    new,
                    mode={"e_tag": seen[1]} if seen else "create",
                    use_multipart=False,
                )
            except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
                return self.read() == new
        return True

    def _seen(self) -> tuple[bytes, str] | None:
        with _told(self._bucket):
            try:
                found = obstore.get(self._bucket.plain, self._name)
                return bytes(found.bytes()), found.meta["e_tag"] or ""
            except FileNotFoundError:
                return None


@contextlib.contextmanager
def _told(bucket: Bucket) -> Iterator[None]:
    """Turn what the server did into a problem that says so; it names no key and no header."""
    try:
        yield
    except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
        raise  # an answer, which the caller expects
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        raise Refused(
            "store.bucket-forbidden",
            expected="keys that may read, write, list and delete in this bucket",
            found=f"{bucket.name}: {_said(error)}",
            act="the operator mends the keys or their rights; nothing was changed",
        ) from error
    except exceptions.BaseError as error:
        raise Unavailable(
            "store.bucket-failed",
            expected="a bucket that answers",
            found=f"{bucket.name}: {_said(error)}",
            act="try again; the operator examines that server",
        ) from error


def _said(error: Exception) -> str:
    """Its kind, and the status: a server may echo a request, and with it what is nobody's."""
    status = _STATUS.search(str(error))
    return f"{type(error).__name__}{' ' + status[1].strip() if status else ''}"


class _Sent:
    """Counts and hashes what was handed over."""

    def __init__(self) -> None:
        self.size = 0
        self._hasher = hashlib.sha256()

    def counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.size += len(chunk)
            self._hasher.update(chunk)
            yield chunk

    def digest(self) -> bytes:
        return self._hasher.digest()


class _Stretches(io.RawIOBase):
    """A large blob, read from where the reader stands. Its bytes never change."""

    def __init__(self, bucket: Bucket, name: str, size: int) -> None:
        self._bucket, self._name, self._size = bucket, name, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, begin + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a Buffer there
        octets = self._next(len(buffer))
        buffer[: len(octets)] = octets
        return len(octets)

    def readall(self) -> bytes:
        return self._next(self._size)

    def _next(self, most: int) -> bytes:
        end = min(self._at + most, self._size)
        if end <= self._at:
            return b""
        with _told(self._bucket):
            octets = bytes(
                obstore.get_range(self._bucket.plain, self._name, start=self._at, end=end)
            )
        self._at += len(octets)
        return octets


def _by_segment(names: Iterable[str]) -> Iterator[str]:
    """Order by segments what a server lists by octets, in which "a b/c" comes before "a/c".

    A name is held back only while a later one could come before it: while names can follow
    that have a slash where it has the first character below a slash."""
    held: list[tuple[list[str], str, str]] = []
    for name in names:
        while held and held[0][2] <= name:
            yield heapq.heappop(held)[1]
        heapq.heappush(held, (name.split("/"), name, _until(name)))
    while held:
        yield heapq.heappop(held)[1]


def _until(name: str) -> str:
    """From which name on nothing can follow that comes before this one."""
    for at, character in enumerate(name):
        if character < "/" and at and name[at - 1] != "/":
            return name[:at] + "0"  # which is next to the slash
    return name
