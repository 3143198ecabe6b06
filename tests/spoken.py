"""What the source asks words for: every call and every text of it, read once for all tests.

Only what is asked for is kept: the trees themselves are a million objects, which every later
test's collection of garbage would go through."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "guzheng"
CODE = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)+")
_ARGUMENTS = 3


@dataclass(frozen=True, slots=True)
class Call:
    """`texts`: of each of the first arguments, what it can be: one, or one of two."""

    file: str
    name: str
    first: str | None  # the first argument, if it is written out
    texts: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Spoken:
    """`codes`: every text of the source that looks like a code, wherever it stands."""

    calls: tuple[Call, ...]
    codes: frozenset[str]


@cache
def spoken() -> Spoken:
    calls, codes = [], set()
    for path in sorted(SOURCE.rglob("*.py")):
        file = str(path.relative_to(SOURCE))
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                calls.append(_call(file, node))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                codes |= {node.value} if CODE.fullmatch(node.value) else set()
    return Spoken(tuple(calls), frozenset(codes))


def _call(file: str, node: ast.Call) -> Call:
    called, first = node.func, node.args[0]
    name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
    written = first.value if isinstance(first, ast.Constant) else None
    return Call(
        file,
        name,
        written if isinstance(written, str) else None,
        tuple(tuple(_texts_in(one)) for one in node.args[:_ARGUMENTS]),
    )


def _texts_in(node: ast.expr) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value
