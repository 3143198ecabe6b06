"""What src/ imports, pyproject.toml asks for: nothing is there by another package's grace."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "guzheng"
# What an expert or a court runs with the base install.
ALONE = {"proof", "verifier", "words", "witness", "mirror", "cosigner"}
# What comes with an extra, and is imported only where a setting asks for it.
OF_EXTRA = {
    "store/s3.py": "scale",
    "store/server.py": "scale",
    "fix/pkcs11_keys.py": "pkcs11",
    "ledger/anchors/evm.py": "anchors",
    "ledger/anchors/ots.py": "anchors",
}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def distribution_names(requirements: list[str]) -> set[str]:
    found = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {re.sub(r"[-_.]+", "-", name[0]).lower() for name in found if name}


def test_every_import_is_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    base = distribution_names(project["dependencies"])
    extras = project["optional-dependencies"]
    server = base | distribution_names(extras["server"])
    providers = packages_distributions()
    unasked: list[str] = []
    for path in sorted(SRC.rglob("*.py")):
        folder = path.relative_to(SRC).parts[0]
        asked = base if folder in ALONE else server
        if extra := OF_EXTRA.get(path.relative_to(SRC).as_posix()):
            asked = asked | distribution_names(extras[extra])
        for module in sorted(set(imported(path)) - set(sys.stdlib_module_names) - {"guzheng"}):
            if not distribution_names(providers.get(module, [module])) & asked:
                unasked.append(f"{path.relative_to(ROOT)} imports {module}")
    assert unasked == []


def test_what_an_extra_brings_is_imported_where_it_is_used() -> None:
    """At the head of a module it would be asked of everybody."""
    optional = {f"guzheng.{one.removesuffix('.py').replace('/', '.')}" for one in OF_EXTRA}
    hasty = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sorted(SRC.rglob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        for module in _modules(node)
        if module in optional
    ]
    assert hasty == []


def _modules(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
