"""Witnesses of others, honest or not: real HTTP on loopback, c2sp.org/tlog-witness.

The honest mood checks what the specification demands; the others are what a ledger must live
with. `guzheng witness` has tests of its own: these stand for programs that we did not write.
"""

import base64
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from guzheng.proof import tree
from guzheng.proof.errors import ProofError
from guzheng.proof.note import COSIGNATURE, ML_DSA_44, Checkpoint, Note, Signature, VerifierKey
from tests.world import _served

SIZE = "text/x.tlog.size"
Answer = tuple[int, str, bytes]


@dataclass
class Witness:
    """`mood` is how it answers from now on:

    well, slow (well, but late), deaf (never), down (hangs up), busy (503), garbled,
    forges (its signature does not fit), equivocates (cosigns another root), silent-200 (no
    line of its own), boasts (says it has seen more than there is), endless (a huge answer),
    hides (shows nothing on its monitoring path), tomorrow (its clock is two hours ahead).
    """

    name: str
    private: Ed25519PrivateKey | MLDSA44PrivateKey
    key: VerifierKey
    url: str = ""
    mood: str = "well"
    delay_seconds: float = 0.5
    asked: int = 0
    knows: set[str] | None = None  # the logs it cosigns for, where not every one
    seen: dict[str, bytes] = field(default_factory=dict)  # by origin, the note as cosigned
    released: threading.Event = field(default_factory=threading.Event)
    turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def line(self) -> str:
        return f"witness {self.name} {self.key} {self.url}\n"

    def size(self, origin: str) -> int:
        note = self.seen.get(origin)
        return 0 if note is None else Checkpoint.parse(Note.parse(note).text).size

    def cosign(self, text: bytes) -> Signature:
        seconds = int(time.time()) + (7200 if self.mood == "tomorrow" else 0)
        signed = self.private.sign(self.key.message_of(text, seconds))
        return Signature(self.key.name, self.key.id, seconds.to_bytes(8, "big") + signed)

    def add_checkpoint(self, body: bytes) -> Answer:
        head, _, note_octets = body.partition(b"\n\n")
        old_line, *proof = head.decode().split("\n")
        note = Note.parse(note_octets)
        new, old = Checkpoint.parse(note.text), int(old_line.removeprefix("old "))
        if self.knows is not None and new.origin not in self.knows:
            return 404, "text/plain", b"unknown log\n"
        with self.turn:
            known = self.size(new.origin)
            if self.mood == "boasts":
                return 409, SIZE, b"%d\n" % (new.size + 1000)
            if old > new.size:
                return 400, "text/plain", b"old size above the new one\n"
            if old != known:
                return 409, SIZE, b"%d\n" % known
            if known:
                root = Checkpoint.parse(Note.parse(self.seen[new.origin]).text).root
                path = [base64.b64decode(one) for one in proof]
                try:
                    tree.require_consistent(old, root, new.size, new.root, path)
                except ProofError as error:
                    return 422, "text/plain", error.code.encode()
            elif proof:
                return 422, "text/plain", b"a proof from nothing\n"
            line = self.cosign(note.text)
            self.seen[new.origin] = Note(note.text, (*note.signatures, line)).encode()
            return 200, "text/plain", self._line(new, line)

    def _line(self, new: Checkpoint, line: Signature) -> bytes:
        match self.mood:
            case "forges":
                return str(
                    Signature(
                        line.name, line.key_id, line.octets[:-1] + bytes([line.octets[-1] ^ 1])
                    )
                ).encode()
            case "equivocates":
                other = Checkpoint(new.origin, new.size, sha256(b"another tree").digest())
                return str(self.cosign(other.encode())).encode()
            case "garbled":
                return os.urandom(200)
            case "silent-200":
                return str(Signature("somebody.example", b"\x00" * 4, line.octets)).encode()
            case "endless":
                return str(line).encode() * 20_000
            case _:
                return str(line).encode()

    def shown(self, path: str) -> Answer:
        for origin, note in self.seen.items():
            if path == f"/{sha256(origin.encode()).hexdigest()}/checkpoint":
                if self.mood == "garbled":
                    return 200, "text/plain", os.urandom(200)
                if self.mood != "hides":
                    return 200, "text/plain", note
        return 404, "text/plain", b"nothing seen\n"


@contextlib.contextmanager
def witness(name: str, *, ml_dsa: bool = False) -> Iterator[Witness]:
    private: Ed25519PrivateKey | MLDSA44PrivateKey
    private = MLDSA44PrivateKey.generate() if ml_dsa else Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    kind = ML_DSA_44 if ml_dsa else COSIGNATURE
    one = Witness(name, private, VerifierKey(f"{name}.example/witness", kind, public))

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            one.asked += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known = self.path == "/add-checkpoint"
            self.send(lambda: one.add_checkpoint(body) if known else (404, "text/plain", b""))

        def do_GET(self) -> None:
            self.send(lambda: one.shown(self.path))

        def send(self, answer: Callable[[], Answer]) -> None:
            if one.mood == "deaf":
                one.released.wait(60)
            if one.mood in ("deaf", "down"):
                self.close_connection = True
                return
            if one.mood == "slow":
                one.released.wait(one.delay_seconds)
            status, kind, octets = (
                (503, "text/plain", b"busy\n") if one.mood == "busy" else answer()
            )
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, format: str, *arguments: object) -> None:
            del format, arguments

    with _served(Door) as url:
        one.url = url
        try:
            yield one
        finally:
            one.released.set()


@contextlib.contextmanager
def three(*, ml_dsa: bool = False) -> Iterator[tuple[Witness, Witness, Witness]]:
    with contextlib.ExitStack() as stack:
        court, notary, school = (
            stack.enter_context(witness(name, ml_dsa=ml_dsa and name == "court"))
            for name in ("court", "notary", "school")
        )
        yield court, notary, school


def policy_of(witnesses: Sequence[Witness], quorum: int, logs: Sequence[str] = ()) -> bytes:
    lines = [f"log {one}\n" for one in logs]
    lines += [one.line for one in witnesses]
    names = " ".join(one.name for one in witnesses)
    return "".join([*lines, f"group all {quorum} {names}\n", "quorum all\n"]).encode()


def environment_of(
    folder: Path, witnesses: Sequence[Witness], quorum: int = 2
) -> dict[str, str]:
    """The settings that bind an installation to them."""
    file = folder / "ledger.policy"
    file.write_bytes(policy_of(witnesses, quorum))
    return {
        "GUZHENG_LEDGER_POLICY": str(file),
        "GUZHENG_LEDGER_WITNESS_SECONDS": "30",
        "GUZHENG_ACCOUNTS": "off",
        "GUZHENG_RETRY_SECONDS": "1",
    }
