"""What RSGI, granian's own interface, gives us: a request and what may be done with it.

Written down here because granian's own types know no methods; adding_front.py is served so.
"""

from typing import Protocol


class Headers(Protocol):
    def get(self, key: str, default: None = None) -> str | None: ...


class Scope(Protocol):
    """What RSGI says of a request."""

    @property
    def proto(self) -> str: ...
    @property
    def client(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def query_string(self) -> str: ...
    @property
    def headers(self) -> Headers: ...


class Exchange(Protocol):
    """What RSGI lets us do with it."""

    async def __call__(self) -> bytes: ...

    def __aiter__(self) -> "Exchange": ...

    async def __anext__(self) -> bytes: ...

    def response_bytes(
        self, status: int, headers: list[tuple[str, str]], body: bytes
    ) -> None: ...
