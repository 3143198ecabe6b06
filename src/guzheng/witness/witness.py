"""Whether a checkpoint is cosigned: the numbered steps of c2sp.org/tlog-witness.

Those for a part of one (`sign-subtree`) are in cosigner/subtrees.py: they change nothing here.

A checkpoint is cosigned only inside `Memory.exclusively`, after it was compared with what is
remembered there, and its signature is handed out only after that ended well. Between comparing
and remembering no other request, thread or program can come; killed in between, nothing was
remembered and nothing handed out; killed after, the log asks again and is told the size.
"""

import sqlite3
from collections.abc import Callable
from datetime import datetime

from guzheng.cosigner import subtrees
from guzheng.cosigner.keys import Cosigner
from guzheng.cosigner.serving import TEXT, Answer
from guzheng.cosigner.submission import Submission
from guzheng.proof import tree
from guzheng.proof.errors import Inconsistent, Malformed, ProofError
from guzheng.proof.fork import Fork
from guzheng.proof.note import Checkpoint, Note, Signature, VerifierKey
from guzheng.witness.memory import Memory, Seen, id_of

SIZE = "text/x.tlog.size"
Tell = Callable[[str, dict[str, object]], None]


class Witness:
    """Threads may share it."""

    def __init__(
        self, cosigner: Cosigner, memory: Memory, now: Callable[[], datetime], tell: Tell
    ) -> None:
        self.cosigner, self.memory = cosigner, memory
        self._now, self._tell = now, tell

    def add_checkpoint(self, body: bytes) -> Answer:
        try:
            asked = Submission.parse(body)
        except Malformed as error:
            return self._refused(400, "witness.malformed", found=error.code)
        try:
            return self._judged(asked)
        except sqlite3.Error as error:  # a full or failing disk: nothing was remembered
            self._tell("witness.not-written", {"origin": asked.origin, "found": error})
            return Answer(503, b"not written\n", TEXT, {"Retry-After": "30"})

    def sign_subtree(self, body: bytes) -> Answer:
        """A signature over a part of what was cosigned; nothing is written for it."""

        def declined(status: int, found: str) -> Answer:
            return self._refused(status, "witness.subtree-declined", found=found)

        try:
            return subtrees.judged(body, self.cosigner, self.memory, declined)
        except sqlite3.Error as error:
            self._tell("witness.not-written", {"origin": "-", "found": error})
            return Answer(503, b"not now\n", TEXT, {"Retry-After": "30"})

    def _judged(self, asked: Submission) -> Answer:
        keys = self.memory.keys_of(asked.origin)
        # (1) A log that this witness was told to watch.
        if not keys:
            return self._refused(404, "witness.unknown-log", origin=repr(asked.origin[:200]))
        # (2) Signed by it. Unknown keys are ignored; a false signature of a known one is not.
        try:
            asked.note.require_signed(keys)
        except ProofError:
            return self._refused(403, "witness.not-signed", origin=asked.origin)
        try:
            checkpoint = Checkpoint.parse(asked.note.text)
        except Malformed:
            # The only thing that may be asked of an empty tree is its one root.
            empty = asked.note.text.split(b"\n")[1:2] == [b"0"]
            return self._refused(422 if empty else 400, "witness.malformed", found="checkpoint")
        # (3) Not older than what it says it continues.
        if asked.old_size > checkpoint.size:
            return self._refused(400, "witness.shrunk", origin=asked.origin)
        with self.memory.exclusively():
            answer = self._compared(asked, checkpoint, keys)
        if answer.status == 200:
            self._tell("witness.cosigned", {"origin": asked.origin, "size": checkpoint.size})
        return answer

    def _compared(
        self, asked: Submission, checkpoint: Checkpoint, keys: tuple[VerifierKey, ...]
    ) -> Answer:
        seen = self.memory.find_latest(id_of(asked.origin))
        size, root = (seen.size, seen.root) if seen else (0, tree.EMPTY_ROOT)
        # (4) It continues what is remembered, and nothing else.
        if asked.old_size != size:
            self._tell("witness.elsewhere", {"origin": asked.origin, "size": size})
            return Answer(409, b"%d\n" % size, SIZE)
        # (5) Nothing remembered was rewritten.
        log_signed = Note(asked.note.text, _of(keys, asked.note))
        try:
            tree.require_consistent(size, root, checkpoint.size, checkpoint.root, asked.proof)
        except Inconsistent:
            if checkpoint.size == size and checkpoint.root != root and seen:
                fork = Fork(Note.parse(seen.note), log_signed)
                self.memory.keep_contradiction(asked.origin, fork.encode())
                return self._refused(422, "witness.forked", origin=asked.origin, size=size)
            return self._refused(422, "witness.inconsistent", origin=asked.origin, size=size)
        # (6) Not before the last signature: «the largest seen at that time» would be untrue.
        seconds = int(self._now().timestamp())
        if seen and seconds < seen.seconds:
            self._refused(503, "witness.clock-back", origin=asked.origin)
            return Answer(503, b"the clock went back\n", TEXT, {"Retry-After": "60"})
        lines = self.cosigner.cosign(asked.note.text, seconds)
        cosigned = Note(asked.note.text, (*log_signed.signatures, *lines)).encode()
        self.memory.remember(
            Seen(asked.origin, checkpoint.size, checkpoint.root, seconds, cosigned)
        )
        return Answer(200, "".join(map(str, lines)).encode())

    def _refused(self, status: int, code: str, **facts: object) -> Answer:
        self._tell(code, {"status": status, **facts})
        return Answer(status, f"{code}\n".encode())


def _of(keys: tuple[VerifierKey, ...], note: Note) -> tuple[Signature, ...]:
    known = {(key.name, key.id) for key in keys}
    return tuple(one for one in note.signatures if (one.name, one.key_id) in known)
