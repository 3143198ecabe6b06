"""A log as a mirror sees it: files under C2SP paths, true ones and forged ones."""

import gzip
import http.server
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from guzheng.proof import tiles, tree
from guzheng.proof.note import Checkpoint
from guzheng.proof.tiles import ENTRIES, WIDTH, Tile
from tests.proof.keys import SigningKey, key_of, signed

ORIGIN = "log.example/1"


def entries_of(count: int, branch: str = "", fork_at: int = 0) -> list[bytes]:
    return [f"{branch if at >= fork_at else ''}entry {at}".encode() for at in range(count)]


class Site:
    """Serves a tree of some size; `show` moves on to another, as a log does."""

    def __init__(self, entries: Sequence[bytes], key: SigningKey | None = None) -> None:
        self.entries = list(entries)
        self.signer = key or key_of(ORIGIN, 1)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def show(self, size: int) -> "Site":
        """Built from the definition, level by level, as the specification has it."""
        level, hashes = 0, [tree.leaf_hash(one) for one in self.entries[:size]]
        for at in range(0, size, WIDTH):
            group = self.entries[at : min(size, at + WIDTH)]
            self.files[str(Tile(ENTRIES, at // WIDTH, len(group)))] = tiles.bundle_of(group)
        root = tree.root_of(hashes)
        while hashes:
            for at in range(0, len(hashes), WIDTH):
                group = hashes[at : at + WIDTH]
                self.files[str(Tile(level, at // WIDTH, len(group)))] = b"".join(group)
            whole = range(0, len(hashes) - len(hashes) % WIDTH, WIDTH)
            hashes = [tree.root_of(hashes[at : at + WIDTH]) for at in whole]
            level += 1
        text = Checkpoint(ORIGIN, size, root).encode()
        self.files["checkpoint"] = signed(text, self.signer).encode()
        return self

    def fetch(self, path: str) -> bytes | None:
        self.asked.append(path)
        return self.files.get(path)

    @contextmanager
    def served(self, *, packed: bool = False) -> Iterator[str]:
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                octets = site.fetch(self.path.removeprefix("/log/"))
                self.send_response(404 if octets is None else 200)
                if packed and octets is not None:
                    octets = gzip.compress(octets)
                    self.send_header("Content-Encoding", "gzip")
                self.end_headers()
                self.wfile.write(octets or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/log/"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
