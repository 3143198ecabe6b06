"""Which software captured: its version, its commit where one is known, and its own octets.

A version says what it calls itself. The digest over its source files, as they lie here, says
what it is: the same release has the same digest on every machine.
"""

import hashlib
import json
from importlib import metadata
from pathlib import Path

import guzheng.capturer
import guzheng.proof


def software() -> dict[str, object]:
    """For the environment report; `commit` only if the package was built from one."""
    found: dict[str, object] = {
        "name": "guzheng-capturer",
        "version": metadata.version("guzheng"),
        "sources_sha256": sources_digest(),
    }
    commit = _commit(metadata.distribution("guzheng").read_text("direct_url.json") or "")
    if commit:
        found["commit"] = commit
    return found


def sources_digest() -> str:
    """SHA-256 over lines `SHA-256  NAME`, sorted by name, of the capturer and the proofs."""
    lines = []
    for package in (guzheng.capturer, guzheng.proof):
        for place in package.__path__:
            for path in Path(place).rglob("*.py"):
                name = f"{package.__name__}/{path.relative_to(place).as_posix()}"
                lines.append(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}")
    text = "".join(
        f"{digest}  {name}\n"
        for name, _, digest in (one.partition("\0") for one in sorted(lines))
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _commit(direct_url: str) -> str:
    """What pip wrote down when it installed from a repository: PEP 610."""
    try:
        said = json.loads(direct_url)["vcs_info"]["commit_id"]
    except (ValueError, LookupError, TypeError):
        return ""
    return str(said)[:64]
