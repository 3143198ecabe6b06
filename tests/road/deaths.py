"""Walks the road and dies: `deaths.py ROOM KIND MOMENTS [CAPTURED]`, a JSON line per death.

Every death is a real SIGKILL of a real process: this program has loaded everything once and
forks, so that a hundred deaths do not pay for a hundred starts. The effects are counted in a
life that is allowed to end; then one life per effect is ended before it, within it (a put that
has written half) or after it. Then another life takes each data directory over as the worker
does, and everything that was promised is looked at.

What is on the disk after an effect is what is there before the next one, if nothing is written
between that is not counted. MOMENTS `every` does not rely on that (make soak); `some` dies
after those effects only that somebody is told of, or that cannot be undone.
"""

import dataclasses
import json
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import cast

import dbos  # noqa: F401 - loaded once, before any life begins

import guzheng.certify  # noqa: F401
from guzheng import road
from guzheng.app import Parts, Platform, open_parts
from guzheng.app.parts import Store
from guzheng.config import Config
from guzheng.fix import TimestampAuthority
from guzheng.intake import ExhibitIndex, Upload, by_digest
from guzheng.ledger import (
    FileLastSigned,
    Ledger,
    Row,
    Shards,
    Signer,
    TileStore,
    open_signer,
)
from guzheng.ledger.records import Entries
from guzheng.proof.digest import sha256, sm3
from guzheng.store.records import open_engine
from guzheng.verifier.main import main as verify
from guzheng.worker import work_until_idle

KINDS = ("deposit", "hash-only", "web")
OCTETS = bytes(1_200_000)  # more than one block, and hashed in each of a hundred lives
TOLD = ("index.add", "authority.respond", "entries.append", "signer.sign", "index.finish")
PLACEHOLDER = "ex_" + "0" * 26


class Fate:
    """Counts effects; ends the program at the one that was chosen. Threads may share it."""

    def __init__(self, at: tuple[int, str] | None) -> None:
        self.at = at
        self.effects: list[str] = []
        self._lock = threading.Lock()

    def meet(self, effect: str, act: Callable[[int], object]) -> object:
        """`act` is told which effect it is."""
        with self._lock:
            number = len(self.effects)
            self.effects.append(effect)
        if self.at == (number, "before"):
            os.kill(os.getpid(), signal.SIGKILL)
        result = act(number)
        if self.at == (number, "after"):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    def within(self, number: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """That effect is a put of these; half of the first is written."""
        ends = self.at == (number, "within")
        for chunk in chunks:
            yield chunk[: len(chunk) // 2 or 1] if ends else chunk
            if ends:
                os.kill(os.getpid(), signal.SIGKILL)


class Fated:
    """A port as it is, but for the verbs that have effects."""

    def __init__(self, port: object, name: str, verbs: tuple[str, ...], fate: Fate) -> None:
        self._port, self._name, self._verbs, self._fate = port, name, verbs, fate

    def __getattr__(self, verb: str) -> object:
        real = getattr(self._port, verb)
        if verb not in self._verbs:
            return real

        def effect(*given: object, **named: object) -> object:
            label = f"{self._name}.{verb}"
            if self._name == "blobs" and verb == "put_all":
                return self._together(cast(dict[str, bytes], given[0]))
            if self._name == "blobs" and verb == "put":
                name, chunks = cast(tuple[str, Iterable[bytes]], given)
                label += f" {name.split('/', 2)[-1]}"
                return self._fate.meet(
                    label, lambda number: real(name, self._fate.within(number, chunks))
                )
            return self._fate.meet(label, lambda _number: real(*given, **named))

        return effect

    def _together(self, files: dict[str, bytes]) -> object:
        """Many small ones with one wait for the disk: within it, half of them are there."""

        def act(number: int) -> object:
            if self._fate.at == (number, "within"):
                self._port.put_all(dict(list(files.items())[: len(files) // 2]))  # type: ignore[attr-defined]
                os.kill(os.getpid(), signal.SIGKILL)
            return self._port.put_all(files)  # type: ignore[attr-defined]

        return self._fate.meet("blobs.put_all items", act)


def fated_parts(config: Config, fate: Fate) -> Parts:
    """The usual parts, each effect of which meets the fate."""
    parts = open_parts(config)
    keys = config.data / "keys"
    blobs = Fated(parts.blobs, "blobs", ("put", "put_all", "replace", "remove"), fate)
    ledger = Ledger(
        open_engine(config.data / "ledger.sqlite"),
        cast(TileStore, Fated(parts.blobs, "tiles", ("put_all", "replace", "remove"), fate)),
        cast(Signer, Fated(open_signer(keys, None, os.urandom), "signer", ("sign",), fate)),
        cast(
            FileLastSigned,
            Fated(FileLastSigned(keys / "last-signed.checkpoint"), "memory", ("swap",), fate),
        ),
    )
    ledger.entries = cast(Entries, Fated(ledger.entries, "entries", ("append",), fate))
    return dataclasses.replace(
        parts,
        blobs=cast(Store, blobs),
        index=cast(ExhibitIndex, Fated(parts.index, "index", ("add", "finish"), fate)),
        authority=cast(
            TimestampAuthority, Fated(parts.authority, "authority", ("respond",), fate)
        ),
        shards=Shards(Row(ledger, parts.blobs, _no_other, config.data / "leases")),
    )


def _no_other(shard: str, origin: str, *, make: bool) -> Ledger:
    raise AssertionError(f"no shard {shard} of {origin} here: {make}")


def silent(_step: str, _detail: str) -> None:
    return


def life(data: Path, kind: str, fate: Fate, captured: Path | None) -> None:
    """One intake and its whole road; the acknowledgement is what a caller would have read."""
    platform = Platform(Config(data), fated_parts(Config(data), fate))
    exhibit = come_in(platform, kind)
    (data.parent / f"{data.name}.acknowledged").write_text(exhibit)
    if kind == "web" and captured is not None:
        finished_capture(captured, data / "captures" / exhibit / "done", exhibit)
    platform.walk(exhibit, silent)


def come_in(platform: Platform, kind: str) -> str:
    if kind == "deposit":
        uploads = (Upload("照片.jpg", [OCTETS], "image/jpeg"), Upload("b.txt", [b"words"]))
        return platform.road.deposit(uploads, largest=1 << 30).exhibit
    if kind == "hash-only":
        item = by_digest("secret.pdf", 5, (sha256(b"words"), sm3(b"words")), "application/pdf")
        return platform.road.deposit_digests((item,)).exhibit
    return platform.road.order_capture(
        "http://127.0.0.1/", allow_private=("127.0.0.0/8",)
    ).exhibit


def finished_capture(captured: Path, done: Path, exhibit: str) -> None:
    """A run of the capturer that has ended well; its record names the exhibit."""
    shutil.copytree(captured, done)
    record = done / "capture.json"
    record.write_bytes(record.read_bytes().replace(PLACEHOLDER.encode(), exhibit.encode()))


def afterlife(data: Path, captured: Path | None, *, queue: bool) -> list[str]:
    """Take over as the worker does, then say everything that is not as it was promised."""
    platform = Platform(Config(data))
    platform.recover()
    if captured is not None:  # the page is gone: what a new run of the capturer would bring
        for exhibit in platform.index.unfinished():
            if road.Step.CAPTURE is road.next_step("web", platform.road.papers(exhibit)):
                shutil.rmtree(data / "captures" / exhibit, ignore_errors=True)
                finished_capture(captured, data / "captures" / exhibit / "done", exhibit)
    if queue:
        work_until_idle(platform)
    else:
        for exhibit in platform.index.unfinished():
            platform.walk(exhibit, silent)
    return troubles(platform, data, packed=queue)


def troubles(platform: Platform, data: Path, *, packed: bool) -> list[str]:
    found: list[str] = []
    exhibits = set(platform.road.exhibits())
    acknowledged = data.parent / f"{data.name}.acknowledged"
    if acknowledged.exists() and acknowledged.read_text() not in exhibits:
        found.append("an acknowledged exhibit is lost")
    for exhibit in exhibits:
        view = platform.exhibit(exhibit)
        if view.state != "certified":
            found.append(f"{exhibit} is {view.state}, lacks {view.missing}")
    if platform.index.names() != exhibits or platform.index.unfinished():
        found.append(f"index {platform.index.names()} {platform.index.unfinished()}")
    size = platform.ledger.entries.size()
    entered = [platform.ledger.entries.exhibit_of(number) for number in range(size)]
    if sorted(map(str, entered)) != sorted(exhibits):
        found.append(f"in the ledger: {entered}")
    found += [f"{one.place} {one.code}" for one in platform.fsck(lambda _exhibit: None)]
    roots = data.parent / f"{data.name}.pem"
    roots.write_bytes(platform.roots_pem())
    if packed:  # which starts the verifier as a program of its own
        out = data.parent / f"{data.name}.zip"
        platform.write_package(sorted(exhibits), out)
        judged = [out]
    else:
        judged = [platform.folder(exhibit) for exhibit in sorted(exhibits)]
    for path in judged:
        with Path(os.devnull).open("w") as nowhere:
            sys.stdout, usual = nowhere, sys.stdout
            status = verify([str(path), "--roots", str(roots)])
            sys.stdout = usual
        if status not in (0, 2):
            found.append(f"guzheng-verify: {status} for {path.name}")
    staged = [one for one in (data / "blobs/.staging").rglob("*") if one.is_file()]
    rooms = list((data / "captures").iterdir()) if (data / "captures").exists() else []
    return found + [f"left over: {one}" for one in (*staged, *rooms)]


def forked(act: Callable[[], object]) -> tuple[int, str]:
    """How a life ended, and what it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            said = json.dumps(act())
        except BaseException:  # noqa: BLE001 - the last act of this life
            said = json.dumps([traceback.format_exc(limit=-3)])
        with os.fdopen(writing, "w", encoding="utf-8") as stream:
            stream.write(said)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as stream:
        said = stream.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def prepared(room: Path) -> Path:
    """A data directory that has one finished exhibit already."""
    data = room / "prepared"

    def live() -> None:
        platform = Platform(Config(data))
        platform.walk(platform.deposit("first.txt", [b"first"]), silent)

    ended, said = forked(live)
    if ended != 0 or said != "null":
        raise AssertionError(said)
    return data


def main(room: Path, kind: str, moments: str, captured: Path | None) -> None:
    template = prepared(room)

    def fresh(name: str) -> Path:
        return Path(shutil.copytree(template, room / name))

    def counted() -> list[str]:
        fate = Fate(None)
        life(fresh("counted"), kind, fate, captured)
        return fate.effects

    _, said = forked(counted)
    effects: list[str] = json.loads(said)
    cases = [
        (number, effect, moment)
        for number, effect in enumerate(effects)
        for moment in ("before", "within", "after")
        if moment == "before"
        or (moment == "within" and "blobs.put" in effect)
        or (moment == "after" and (moments == "every" or effect in TOLD))
    ]
    if kind != "deposit":  # beyond this it is the road of a deposit
        last = "manifest.json" if kind == "web" else "seal.tsa"
        own = effects.index(f"blobs.put {last}")
        cases = [one for one in cases if one[0] <= own or "certificate.pdf" in one[1]]
    if moments != "every":  # items are kept one like the other: the first and the last two
        items = [at for at, one in enumerate(effects) if one.startswith("blobs.put items/")]
        cases = [one for one in cases if one[0] not in items[2:-2]]
    lived = []
    for number, effect, moment in cases:
        data = fresh(f"{number}-{moment}")
        fate = Fate((number, moment))
        ended, said = forked(lambda: life(data, kind, fate, captured))  # noqa: B023 - at once
        lived.append(
            (effect, moment, data, "" if ended == -signal.SIGKILL else f"{ended}: {said}")
        )

    def afterwards() -> list[list[str]]:
        # DBOS takes a second to start: it takes over one in twenty, all others are walked.
        return [
            afterlife(data, captured, queue=case % 20 == 0)
            for case, (_, _, data, _) in enumerate(lived)
        ]

    ended, said = forked(afterwards)
    found = json.loads(said)
    if ended != 0 or len(found) != len(lived):
        raise AssertionError(f"the next life ended with {ended}: {said}")
    for (effect, moment, _, survived), trouble in zip(lived, found, strict=True):
        if survived:
            trouble.append(f"was not killed: {survived}")
        line = {"effect": effect, "moment": moment, "trouble": trouble}
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        sys.argv[2],
        sys.argv[3],
        Path(sys.argv[4]) if len(sys.argv) > 4 else None,
    )
