"""Reads a log that somebody serves over HTTP: c2sp.org/tlog-tiles, checkpoint and tiles.

Takes the prefix of the log; gives octets, bounded in length and time, and believes none of
them. Whatever goes wrong out there is `Unavailable`.
"""

from guzheng.proof import tree
from guzheng.proof.tiles import WIDTH, Tile
from guzheng.refusals import Refused, Unavailable

MAX_CHECKPOINT_OCTETS = 1 << 20
_MAX_SHOWN = 200


class Place:
    """A log, or a mirror of one, under a URL."""

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float,
    ) -> None:
        import httpx  # where it is needed: most commands ask nobody

        from guzheng import asking

        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            parsed = httpx.URL("")
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise Refused(
                "ledger.place-url",
                expected="an address that begins with http:// or https://",
                found=repr(url[:_MAX_SHOWN]),
                act="mend the address of the log or mirror",
            )
        self.url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._tls = asking.trusting(secure=parsed.scheme == "https")

    def checkpoint(self) -> bytes:
        return self._read("checkpoint", MAX_CHECKPOINT_OCTETS)

    def tile(self, tile: Tile) -> bytes:
        """A partial tile may have given way to the full one, whose beginning it is."""
        try:
            return self._read(str(tile), WIDTH * tree.HASH_SIZE)
        except Unavailable:
            if tile.width == WIDTH:
                raise
        whole = self._read(str(Tile(tile.level, tile.index)), WIDTH * tree.HASH_SIZE)
        return whole[: tile.width * tree.HASH_SIZE]

    def _read(self, path: str, most: int) -> bytes:
        import httpx

        from guzheng import asking

        answer = bytearray()
        try:
            with (
                asking.client(self._tls, seconds=self._timeout_seconds) as client,
                client.stream(
                    "GET", f"{self.url}/{path}", headers={"Accept-Encoding": "identity"}
                ) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise self._unavailable(path, f"HTTP {response.status_code}")
                for part in response.iter_raw():
                    answer += part
                    if len(answer) > most:
                        raise self._unavailable(path, f"more than {most} octets")
        except httpx.TimeoutException as error:
            found = f"no whole answer in {self._timeout_seconds:g} s"
            raise self._unavailable(path, found) from error
        except httpx.HTTPError as error:
            raise self._unavailable(path, str(error) or type(error).__name__) from error
        return bytes(answer)

    def _unavailable(self, path: str, found: str) -> Unavailable:
        return Unavailable(
            "ledger.place-unreachable",
            expected=f"{path} from {self.url}",
            found=found[:_MAX_SHOWN],
            act="nothing to do if this passes; else ask who runs it",
        )
