"""The ten largest files, functions and classes of src/: `make sizes`.

It says when to think (docs: file 400 lines, function 60, class 15 public methods, 7 imports of
our own), and never fails: a limit that fails is met by cutting in the wrong place.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHOWN = 10
FILE, FUNCTION, METHODS, IMPORTS = 400, 60, 15, 7

Row = tuple[int, str]


def print_largest(title: str, think_at: int, rows: Iterable[Row]) -> None:
    print(f"\n{title} (think at {think_at})")
    for size, name in sorted(rows, reverse=True)[:SHOWN]:
        print(f"  {'!' if size > think_at else ' '} {size:5d}  {name}")


def length(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def our_imports(tree: ast.Module) -> int:
    """How many modules of our own one module leans on."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("guzheng"):
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.startswith("guzheng")}
    return len(names)


def main() -> None:
    files: list[Row] = []
    functions: list[Row] = []
    classes: list[Row] = []
    imports: list[Row] = []
    folders: dict[str, int] = {}
    for path in sorted((ROOT / "src" / "guzheng").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = str(path.relative_to(ROOT / "src"))
        files.append((len(text.splitlines()), name))
        station = path.relative_to(ROOT / "src" / "guzheng").parts[0]
        folders[station] = folders.get(station, 0) + len(text.splitlines())
        tree = ast.parse(text)
        imports.append((our_imports(tree), name))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions.append((length(node), f"{name}:{node.lineno} {node.name}"))
            elif isinstance(node, ast.ClassDef):
                public = [
                    part
                    for part in node.body
                    if isinstance(part, ast.FunctionDef) and not part.name.startswith("_")
                ]
                classes.append((len(public), f"{name}:{node.lineno} {node.name}"))
    print("Lines per folder of src/guzheng")
    for station, lines in sorted(folders.items()):
        print(f"    {lines:5d}  {station}")
    print_largest("Files by lines", FILE, files)
    print_largest("Functions by lines", FUNCTION, functions)
    print_largest("Classes by public methods", METHODS, classes)
    print_largest("Modules by imports of our own", IMPORTS, imports)


if __name__ == "__main__":
    main()
