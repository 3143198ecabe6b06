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
    server = base | distribution_names(project["optional-dependencies"]["server"])
    providers = packages_distributions()
    unasked: list[str] = []
    for path in sorted(SRC.rglob("*.py")):
        folder = path.relative_to(SRC).parts[0]
        asked = base if folder in ALONE else server
        for module in sorted(set(imported(path)) - set(sys.stdlib_module_names) - {"guzheng"}):
            if not distribution_names(providers.get(module, [module])) & asked:
                unasked.append(f"{path.relative_to(ROOT)} imports {module}")
    assert unasked == []
