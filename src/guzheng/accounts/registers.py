"""Registers of names: a provider is asked whether a name and a number belong together.

A port with one verb, and one supplier: any provider behind an HTTP address that speaks this.

    POST ADDRESS        Authorization: Bearer KEY        Content-Type: application/json
    {"kind": "person", "name": "…", "number": "…"}
    → 200 {"agrees": true, "reference": "what the provider calls its answer"}

That they belong together says nothing of who sits before the screen: a reviewer still compares
documents, and decides. A person's number leaves the installation only when a reviewer asks.
Redirects are not followed, proxies are not guessed, and only this machine is asked in clear.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast

from guzheng.accounts.realnames import Statement
from guzheng.proof import canonical
from guzheng.proof.errors import Malformed
from guzheng.refusals import Refused, Unavailable

SECONDS: Final = 15.0
_MOST_OCTETS: Final = 16 * 1024
_HERE: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Compared:
    """What the register says. `reference`: how to find its answer there."""

    agrees: bool
    reference: str


class NameRegister(Protocol):
    """Whoever can compare a name and a number with a register. May raise Unavailable."""

    @property
    def name(self) -> str: ...

    def compare(self, statement: Statement) -> Compared: ...


class HttpRegister:
    """A provider behind an address; threads may share it."""

    def __init__(self, name: str, address: str, key: str, seconds: float = SECONDS) -> None:
        self.name, self._seconds = name, seconds
        import httpx  # where it is needed: most installations ask no register

        from guzheng import asking

        self._url, self._key = httpx.URL(address), key
        self._tls = asking.trusting(secure=self._url.scheme == "https")

    def compare(self, statement: Statement) -> Compared:
        import httpx

        from guzheng import asking

        said = {"kind": statement.kind, "name": statement.name, "number": statement.number}
        try:
            with (
                asking.client(self._tls, seconds=self._seconds) as client,
                client.stream(
                    "POST",
                    self._url,
                    content=canonical.encode(said),
                    headers={
                        "Content-Type": "application/json",
                        "Accept": "application/json",
                        "Accept-Encoding": "identity",
                        "Authorization": f"Bearer {self._key}",
                    },
                ) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise self._unavailable("HTTP 200", f"HTTP {response.status_code}")
                return self._read(response.iter_raw())
        except httpx.HTTPError as error:
            raise self._unavailable("an answer over HTTP", type(error).__name__) from error

    def _read(self, parts: Iterator[bytes]) -> Compared:
        answer = b""
        for part in parts:
            answer += part
            if len(answer) > _MOST_OCTETS:
                raise self._unavailable(f"at most {_MOST_OCTETS} octets", "more")
        try:
            value = canonical.parse_any(answer)
        except Malformed as error:
            raise self._unavailable("a JSON object", type(error).__name__) from error
        members = cast("dict[str, object]", value) if isinstance(value, dict) else {}
        agrees, reference = members.get("agrees"), members.get("reference", "")
        if not isinstance(agrees, bool) or not isinstance(reference, str):
            raise self._unavailable("agrees: true or false, reference: text", "others")
        return Compared(agrees, " ".join(reference.split())[:200])

    def _unavailable(self, expected: str, found: str) -> Unavailable:
        return Unavailable(
            "accounts.register-unavailable",
            expected=expected,
            found=f"{self.name}: {found}",
            act="try again; the documents can be compared without it",
        )


def open_register(name: str, address: str, key_file: str) -> NameRegister | None:
    """What the settings name; None where they name none. Raises Refused."""
    if not address:
        return None
    import httpx

    url = httpx.URL(address)
    if not name or not (url.scheme == "https" or (url.scheme == "http" and url.host in _HERE)):
        raise _unusable("name_register and an https:// address", url.host or "no host")
    path = Path(key_file)
    try:
        exposed, key = path.stat().st_mode & 0o077, path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable("a file with the key", type(error).__name__) from error
    if exposed or not key or not key.isprintable():
        raise _unusable("a file with one key, that only its owner can read", "another")
    return HttpRegister(name, address, key)


def _unusable(expected: str, found: str) -> Refused:
    return Refused(
        "config.value-refused",
        expected=f"name_register_url: {expected}",
        found=found,
        act="mend the setting",
    )
