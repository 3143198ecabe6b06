"""The copy, read-only: the paths of c2sp.org/tlog-tiles, also below the id of the origin.

And those of c2sp.org/tlog-mirror, where that is wanted: two by which a log pushes to it, and
one that signs a part of what is here.
"""

from hashlib import sha256
from html import escape

from guzheng.cosigner.serving import TEXT, Answer, Asked
from guzheng.mirror.copying import CHECKPOINT, Copy
from guzheng.mirror.pushing import Pushing
from guzheng.proof.errors import Malformed
from guzheng.proof.tiles import Tile
from guzheng.words import say

ADD_CHECKPOINT, ADD_ENTRIES = "/add-checkpoint", "/add-entries"
SIGN_SUBTREE = "/sign-subtree"
_OPEN = {"Access-Control-Allow-Origin": "*"}
_FOR_EVER = {**_OPEN, "Cache-Control": "public, max-age=31536000, immutable"}
_BRIEFLY = {**_OPEN, "Cache-Control": "public, max-age=2, must-revalidate"}
_ABSENT = Answer(404, b"not here\n", TEXT, {"Cache-Control": "no-store"})


class Paths:
    def __init__(self, copy: Copy, pushing: Pushing | None = None) -> None:
        """`pushing`: takes what the log sends; without it this mirror only pulls."""
        self._copy, self._pushing = copy, pushing
        self._id = sha256(copy.keys[0].name.encode()).hexdigest()

    def respond(self, asked: Asked) -> Answer:
        if asked.method == "POST":
            if self._pushing and asked.path == ADD_CHECKPOINT:
                return self._pushing.add_checkpoint(asked.body)
            if self._pushing and asked.path == ADD_ENTRIES:
                return self._pushing.add_entries(asked)
            if self._pushing and asked.path == SIGN_SUBTREE:
                return self._pushing.sign_subtree(asked.body)
            return Answer(405, b"a mirror only reads\n", TEXT, {"Allow": "GET, HEAD"})
        path = asked.path.partition("?")[0].removeprefix("/").removeprefix(f"{self._id}/")
        if path == CHECKPOINT:
            octets = self._copy.read(CHECKPOINT)
            return Answer(200, octets, TEXT, _BRIEFLY) if octets else _ABSENT
        if path == "":
            return Answer(200, self._page().encode(), "text/html; charset=utf-8")
        return self._tile(path)

    def _tile(self, path: str) -> Answer:
        """One spelling, and only what the checkpoint needs: caches keep it for ever."""
        at = self._copy.kept()
        try:
            tile = Tile.parse(path)
        except Malformed:
            return _ABSENT
        octets = self._copy.read(str(tile)) if at and tile.end <= at.size else None
        if octets is None:
            return _ABSENT
        return Answer(200, octets, "application/octet-stream", _FOR_EVER)

    def _page(self) -> str:
        at, name = self._copy.kept(), escape(self._copy.cosigner.name)
        facts = {"origin": self._copy.keys[0].name, "size": at.size if at else 0}
        parts = [
            f'<!doctype html><html lang="zh"><meta charset="utf-8"><title>{name}</title>',
            f"<h1>{name}</h1>",
            *(
                f'<p lang="{language}">{escape(say("mirror.page", language, **facts))}</p>'
                for language in ("zh", "en")
            ),
            *(f"<p><code>{escape(one)}</code></p>" for one in self._copy.cosigner.vkeys),
            '<p><a href="checkpoint">checkpoint</a></p></html>',
        ]
        return "\n".join(parts) + "\n"
