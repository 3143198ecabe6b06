"""The key under which an index files a URL (SURT, as replay tools compute it when they look).

Host reversed and without www, everything lower case, percent-escapes spelled one way, query
sorted. Session identifiers, which some tools strip by a list of names, are left in: a tool that
strips them makes its own index.
"""

import re
from urllib.parse import unquote_to_bytes, urlsplit

_WWW = re.compile(r"^www\d*\.")
_USUAL_PORTS = {"http": 80, "https": 443}
_ESCAPED = frozenset(b"#%") | frozenset(range(0x21)) | frozenset(range(0x7F, 0x100))


def surt(url: str) -> str:
    """`url` as the browser spells it: host lower case, dot segments gone."""
    parts = urlsplit(url)
    host = _WWW.sub("", parts.hostname or "")
    key = host if ":" in host else ",".join(reversed(host.split(".")))
    if parts.port and parts.port != _USUAL_PORTS.get(parts.scheme):
        key += f":{parts.port}"
    path = re.sub("/{2,}", "/", _one_spelling(parts.path).lower()) or "/"
    if len(path) > 1:
        path = path.removesuffix("/")
    # By name, then value: "a" before "a=", which plain sorting of the text would not give.
    arguments = sorted(
        one.split("=", 1) for one in _one_spelling(parts.query).lower().split("&")
    )
    query = "&".join("=".join(one) for one in arguments)
    return f"{key}){path}" + (f"?{query}" if query else "")


def _one_spelling(text: str) -> str:
    octets = text.encode("utf-8", "replace")
    while (less := unquote_to_bytes(octets)) != octets:
        octets = less
    return "".join(f"%{one:02x}" if one in _ESCAPED else chr(one) for one in octets)
