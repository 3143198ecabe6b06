"""Under which names this server answers: a page elsewhere must not rename itself into us.

Whoever owns a name can have it point here (DNS rebinding): a browser then takes us for that
name's site, and lets its pages read what we answer. Only a name can be turned so. An address in
digits and `localhost` lead where they say, so that who opens a machine of his network by its
address is answered; any other name is answered where the operator calls it ours."""

import ipaddress
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers

from guzheng.refusals import Refused

ANY: Final = "*"
_MOST_SHOWN: Final = 100


def require_own_name(headers: Headers, names: Collection[str]) -> None:
    """`names`: in lower case; with `*` among them any is answered. Programs of HTTP/1.0 may
    call us nothing. Raises Refused."""
    name = _name_in(headers.get("host", ""))
    if not name or name == "localhost" or ANY in names or name in names or _is_address(name):
        return
    raise Refused("web.unknown-name", expected="answered_names", found=name[:_MOST_SHOWN])


def _name_in(host: str) -> str:
    """Without port, brackets and the dot of the root."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
