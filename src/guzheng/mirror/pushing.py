"""What is sent to us: add-checkpoint, add-entries and sign-subtree of c2sp.org/tlog-mirror.

A checkpoint that continues the pending one becomes the pending one; entries are kept when their
package proves that they are in it; and when all are here, tiles are made from them, the root is
compared, and the mirror signs. Each of these is durable before it is answered, each may come
twice, and several may come at once: whoever is killed or cut off in between, the next upload
goes on at the first entry that is missing. Tickets are empty: the last few pending checkpoints
are remembered here, so that an upload to one of them may still end.
"""

import contextlib
from base64 import b64encode
from collections.abc import Callable

from guzheng.cosigner import Refused, subtrees
from guzheng.cosigner.serving import TEXT, Answer, Asked
from guzheng.cosigner.submission import Submission
from guzheng.mirror.copying import Copy, Tell
from guzheng.mirror.fetching import Unreachable
from guzheng.mirror.grown import GrownTree
from guzheng.mirror.upload import Cut, Head, Octets, Package
from guzheng.proof import tree
from guzheng.proof.errors import Inconsistent, Malformed, ProofError
from guzheng.proof.note import Checkpoint, Note
from guzheng.proof.tiles import WIDTH

SIZE, TOLD = "text/x.tlog.size", "text/x.tlog.mirror-info"
OCTET_STREAM = "application/octet-stream"
LARGEST = 64 * 2**20  # of one upload; a client sends at most 8,192 entries at a time
TOO_FAR = 32 * WIDTH  # below the next entry: what is here long since is not read again
_PACKED = {"Accept-Encoding": "gzip"}


class Pushing:
    """Threads may share it."""

    def __init__(self, copy: Copy, tell: Tell) -> None:
        self._copy, self._tell = copy, tell
        self._id = copy.keys[0].name.encode()

    # -- add-checkpoint ------------------------------------------------------------------------

    def add_checkpoint(self, body: bytes) -> Answer:
        """As a witness judges it (tlog-witness), without signing: this says nothing yet."""
        try:
            asked = Submission.parse(body)
        except Malformed as error:
            return self._refused(400, error.code)
        if asked.origin.encode() != self._id:
            return self._refused(404, "unknown log")
        try:
            asked.note.require_signed(self._copy.keys)
        except ProofError as error:
            return self._refused(403, error.code)
        try:
            new = Checkpoint.parse(asked.note.text)
        except Malformed as error:
            empty = asked.note.text.split(b"\n")[1:2] == [b"0"]
            return self._refused(422 if empty else 400, error.code)
        if asked.old_size > new.size:
            return self._refused(400, "older than it says it continues")
        return self._durably(lambda: self._compared(asked, new))

    def _compared(self, asked: Submission, new: Checkpoint) -> Answer:
        with self._copy.turn:
            old = self._copy.pending()
            size, root = (old.size, old.root) if old else (0, tree.EMPTY_ROOT)
            if asked.old_size != size:
                return Answer(409, b"%d\n" % size, SIZE)
            try:
                tree.require_consistent(size, root, new.size, new.root, asked.proof)
            except Inconsistent as error:
                if old and new.size == size and new.root != root:
                    with contextlib.suppress(Refused):  # it is written down, and said below
                        self._copy.require_continued(old, new, None, asked.note)
                return self._refused(422, error.code)
            if old is None or new.size > size:
                self._copy.put_pending(asked.note)
        return Answer(200, b"")

    # -- add-entries ---------------------------------------------------------------------------

    def add_entries(self, asked: Asked) -> Answer:
        if asked.media_type != OCTET_STREAM or asked.read is None:
            return self._refused(400, f"a body of {OCTET_STREAM}")
        if asked.encoding not in ("", "identity", "gzip"):
            return Answer(415, b"plain, or gzip\n", TEXT, _PACKED)
        octets = Octets(asked.read, packed=asked.encoding == "gzip")
        try:
            head = Head.read(octets)
        except (Cut, Malformed):
            return self._refused(400, "the head")
        if head.origin != self._id:
            return self._refused(404, "unknown log")
        return self._durably(lambda: self._uploaded(head, octets))

    def _uploaded(self, head: Head, octets: Octets) -> Answer:
        note = self._copy.pending_of(head.end)
        kept = self._copy.kept()
        if note is None or (kept and head.end < kept.size):
            return self._told(409, None)
        ready = self._copy.next_entry()
        if not ready - TOO_FAR - ready % WIDTH <= head.start <= ready:
            return self._told(409, head.end)
        at, came = Checkpoint.parse(note.text), False
        try:
            for package in head.packages(octets):
                package.require_in(at.root, at.size, self._before(package))
                self._copy.keep_entries(package.first, package.end, package.entries)
                came = True
        except Cut:
            return self._told(202, head.end) if came else self._refused(400, "no package")
        except ProofError as error:
            return self._refused(422, error.code)
        return self._finished(note, at)

    def _before(self, package: Package) -> list[bytes]:
        """What a package leaves out stands in the bundle that is here."""
        return self._copy.entries(package.first // WIDTH, package.start - package.first)

    def _finished(self, note: Note, at: Checkpoint) -> Answer:
        grown = GrownTree(self._copy.read, self._copy.entries, at)
        kept = self._copy.kept()
        self._copy.add(grown, min(kept.size, at.size) if kept else 0)
        lines = self._copy.publish(note)
        if lines is None:  # another upload has gone further meanwhile
            return self._told(409, None)
        return Answer(200, "".join(map(str, lines)).encode(), TEXT, _PACKED)

    # -- sign-subtree --------------------------------------------------------------------------

    def sign_subtree(self, body: bytes) -> Answer:
        """Under the mirror's own key, of checkpoints whose entries are all here."""
        return self._durably(
            lambda: subtrees.judged(body, self._copy.cosigner, self._copy, self._refused)
        )

    # -- answers -------------------------------------------------------------------------------

    def _told(self, status: int, size: int | None) -> Answer:
        """Where to go on; a size that was not valid is replaced by the pending one."""
        pending = self._copy.pending()
        shown = size if size is not None else pending.size if pending else 0
        ticket = b64encode(b"").decode()
        body = f"{shown}\n{self._copy.next_entry()}\n{ticket}\n".encode()
        return Answer(status, body, TOLD, _PACKED)

    def _refused(self, status: int, found: str) -> Answer:
        self._tell("mirror.declined", {"status": status, "found": found})
        return Answer(status, f"{found}\n".encode(), TEXT, _PACKED)

    def _durably(self, act: Callable[[], Answer]) -> Answer:
        try:
            return act()
        except Refused as refusal:  # the operator must act; nothing was signed
            self._tell(refusal.code, refusal.facts)
        except (OSError, Unreachable, ProofError) as error:  # a full or a failing disk
            self._tell("mirror.not-written", {"found": error})
        return Answer(503, b"not now\n", TEXT, {"Retry-After": "30"})
