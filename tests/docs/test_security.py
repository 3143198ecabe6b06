"""docs/security.md: every requirement once, every test it names there to be run."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
# OWASP ASVS 5.0.0: of each section, how many requirements are of level 1 or 2. Those of level 3
# come after them; sections that have no others are left out.
SECTIONS = """
V1.1 2 V1.2 9 V1.3 11 V1.4 3 V1.5 2 V2.1 3 V2.2 3 V2.3 4 V2.4 1 V3.2 2 V3.3 4 V3.4 6 V3.5 5
V3.7 2 V4.1 3 V4.2 1 V4.3 2 V4.4 4 V5.1 1 V5.2 3 V5.3 2 V5.4 3 V6.1 3 V6.2 12 V6.3 4 V6.4 4
V6.5 5 V6.6 3 V6.8 4 V7.1 3 V7.2 4 V7.3 2 V7.4 5 V7.5 2 V7.6 2 V8.1 2 V8.2 3 V8.3 1 V8.4 1
V9.1 3 V9.2 4 V10.1 2 V10.2 2 V10.3 4 V10.4 11 V10.5 5 V10.6 2 V10.7 3 V11.1 2 V11.2 3 V11.3 3
V11.4 4 V11.5 1 V11.6 1 V12.1 3 V12.2 2 V12.3 4 V13.1 1 V13.2 5 V13.3 2 V13.4 5 V14.1 2
V14.2 4 V14.3 3 V15.1 3 V15.2 3 V15.3 7 V16.1 1 V16.2 5 V16.3 4 V16.4 3 V16.5 3 V17.1 1
V17.2 4 V17.3 2
"""
REQUIREMENTS = {
    f"{section}.{number}"
    for section, count in re.findall(r"(V\S+) (\d+)", SECTIONS)
    for number in range(1, int(count) + 1)
}


def rows() -> list[tuple[list[str], str]]:
    """The requirements of each line, and what proves them."""
    found = []
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("| V"):
            cells = [one.strip() for one in line.strip("|").split("|")]
            assert len(cells) == 3, line
            found.append((cells[0].split(", "), cells[2]))
    return found


@cache
def names_in(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text("utf-8"))
    return frozenset(one.name for one in tree.body if isinstance(one, ast.FunctionDef))


def test_every_requirement_stands_there_once() -> None:
    assert len(REQUIREMENTS) == 253
    named = Counter(one for names, _ in rows() for one in names)
    assert {one for one, times in named.items() if times > 1} == set()
    assert named.keys() - REQUIREMENTS == set()
    assert REQUIREMENTS - named.keys() == set()


def test_every_line_says_how_it_stands() -> None:
    for names, proof in rows():
        tests, links = re.findall(r"`(tests/[^`]+)`", proof), re.findall(r"\]\(", proof)
        said = proof.startswith(("does not apply: ", "open: "))
        assert bool(tests or links) != said, names


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[^`]+)`", PAGE.read_text("utf-8"))
    assert len(named) > 50
    for one in named:
        path, _, name = one.partition("::")
        assert (ROOT / path).is_file(), one
        assert not name or name in names_in(ROOT / path), one


# ---- what is nowhere in the source ---------------------------------------------------------

CALLED = frozenset({"eval", "exec", "compile", "__import__", "system", "popen"})
# Of whatever module: a shell runs what they are given.
SHELLS = frozenset({"getoutput", "getstatusoutput", "create_subprocess_shell"})
STARTING = frozenset({"run", "Popen", "call", "check_call", "check_output"})
IMPORTED = frozenset(
    {"pickle", "marshal", "shelve", "yaml", "dill", "cloudpickle", "joblib", "jsonpickle"}
    | {"xml", "xmlrpc", "plistlib", "lxml", "defusedxml", "pyexpat", "bs4", "html5lib"}
)
WRITES = frozenset({"xml.sax.saxutils.escape"})  # XML that we write, and read none by it
_WORTH_READING = re.compile(rf"\bshell\b|\b({'|'.join([*CALLED, *SHELLS, *IMPORTED])})\b")


def _done_by(source: str) -> set[str]:
    """What this source does of all that."""
    done = set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            last = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            done |= {_called(node.func)} & CALLED | {last, _called(node.func)} & SHELLS
            starts = last in STARTING or _called(node.func) in STARTING
            done |= {"shell" for one in node.keywords if starts and one.arg == "shell"}
        names = {one.name for one in node.names} if isinstance(node, ast.Import) else set[str]()
        if isinstance(node, ast.ImportFrom):
            names = {f"{node.module or ''}.{one.name}" for one in node.names}
            done |= {one.name for one in node.names} & SHELLS
        done |= {one for one in names - WRITES if one.partition(".")[0] in IMPORTED}
    return done


def test_nothing_is_evaluated_unpickled_or_started_by_a_shell() -> None:
    for file in (ROOT / "src").rglob("*.py"):
        text = file.read_text("utf-8")
        if _WORTH_READING.search(text):
            assert _done_by(text) == set(), file.relative_to(ROOT)


def test_whatever_evaluates_unpickles_or_starts_a_shell_is_found() -> None:
    for source in (
        *("eval(text)", "exec(text)", "os.system(text)", "os.popen(text)", "compile(a, b, c)"),
        *("subprocess.run(a, shell=True)", "Popen(a, shell=asked)"),
        *("subprocess.getoutput(a)", "asyncio.create_subprocess_shell(a)"),
        *("import pickle", "from pickle import loads", "import xml.etree.ElementTree as x"),
        *(
            "from xml import sax",
            "import xml.parsers.expat",
            "from xml.dom.minidom import parse",
        ),
        *("import plistlib", "from subprocess import getoutput", "import yaml"),
    ):
        assert _WORTH_READING.search(source), source
        assert _done_by(source), source
    for source in ("re.compile(a)", "platform.system()", "from xml.sax.saxutils import escape"):
        assert not _done_by(source), source


# Where a statement of SQL is put together: of names of our own tables, and nothing else.
PUT_TOGETHER = frozenset(
    {"store/added.py", "store/records.py", "commission/tables.py", "intake/catalogue.py"}
    | {"ledger/records.py", "ledger/known.py", "ledger/rows.py", "ledger/tables.py"}
)
EXECUTING = frozenset({"execute", "executemany", "executescript", "exec_driver_sql"})
_LITERAL = frozenset({"text", "literal_column"})
_SQL = re.compile(r"\b(?:execut|exec_driver_sql|literal_column|import .*\btext\b)")


def test_no_statement_is_made_of_what_somebody_sent() -> None:
    """Values are bound: whatever is executed is a constant, or made by SQLAlchemy."""
    seen = set[str]()
    for file in (ROOT / "src").rglob("*.py"):
        source = file.read_text("utf-8")
        name = file.relative_to(ROOT / "src" / "guzheng").as_posix()
        if not _SQL.search(source):
            continue
        of_sql = "sqlalchemy" in source
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            plain = node.func.id if isinstance(node.func, ast.Name) else ""
            asked = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            executes = asked in EXECUTING or (of_sql and plain in _LITERAL)
            if executes and _is_put_together(node.args[0]):
                seen.add(name)
            assert not (executes and _is_built_before(source, node)), f"{name}:{node.lineno}"
    assert seen == PUT_TOGETHER, "one that is no longer there is struck from the list"


def _is_built_before(source: str, executing: ast.Call) -> bool:
    """Whether what is executed is a name, and in its function text put together."""
    statement = executing.args[0]
    if not isinstance(statement, ast.Name):
        return False
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if not function.lineno <= executing.lineno <= (function.end_lineno or 0):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.AugAssign) and ast.unparse(node.target) == statement.id:
                return True
            targets = node.targets if isinstance(node, ast.Assign) else []
            named = statement.id in {ast.unparse(one) for one in targets}
            if named and isinstance(node, ast.Assign) and _is_put_together(node.value):
                return True
    return False


def _is_put_together(statement: ast.expr) -> bool:
    """An f-string, a sum or a format: text that was made here."""
    if isinstance(statement, ast.Call):
        return isinstance(statement.func, ast.Attribute) and statement.func.attr == "format"
    return isinstance(statement, ast.JoinedStr | ast.BinOp)


# What a page shows as it is, and who made it: the picture of a code to be read by a telephone.
UNESCAPED = {"security.html": ["picture"]}


def test_every_page_escapes_what_it_is_given() -> None:
    """And no code of ours calls text markup that somebody sent."""
    found: dict[str, list[str]] = {}
    for file in (ROOT / "src/guzheng/web/templates").rglob("*"):
        text = file.read_text("utf-8") if file.is_file() else ""
        assert "autoescape" not in text, file.name
        if unescaped := re.findall(r"(\w+)\s*\|\s*safe\b", text):
            found[file.name] = unescaped
        assert text.count("| safe") + text.count("|safe") == len(found.get(file.name, [])), file
    assert found == UNESCAPED
    for file in (ROOT / "src").rglob("*.py"):
        assert "Markup(" not in file.read_text("utf-8"), file.relative_to(ROOT)


# What a template of typst may open: its own document, and what that names by number.
_OPENED = re.compile(r"\b(?:read|json|csv|yaml|toml|xml|cbor|plugin|bibliography)\(([^,)]*)")
_OWN = frozenset({'"/document.json"', "one.file"})


def test_no_template_evaluates_what_somebody_wrote() -> None:
    """Names, titles and addresses are values of a JSON file, and never code or a path."""
    templates = list((ROOT / "src").rglob("*.typ"))
    assert len(templates) >= 4
    for file in templates:
        text = file.read_text("utf-8")
        assert not re.search(r"\beval\(|#import|#include", text), file.name
        assert set(_OPENED.findall(text)) <= _OWN, file.name
        assert set(re.findall(r"\bimage\(([^,]*)", text)) <= {"bytes(d.code)"}, file.name


def test_chance_is_the_systems() -> None:
    """Nothing that can be foretold is drawn anywhere: no Mersenne twister is imported."""
    drawn = re.compile(r"^\s*(?:import|from)\s+(?:random|numpy)\b", re.MULTILINE)
    for file in (ROOT / "src").rglob("*.py"):
        assert drawn.search(file.read_text("utf-8")) is None, file.relative_to(ROOT)


# What would let the members of somebody's JSON reach the prototype of all objects (CWE-1321).
_MERGED = re.compile(
    r"Object\.assign\b|__proto__|\bsetPrototypeOf\b|\bdefineProperty\b|\.prototype\b"
    r"|for \((?:const|let|var) \w+ in "
)


def test_nothing_that_came_in_is_merged_into_objects_of_ours() -> None:
    """What is read of a package is taken member by member, into classes, maps and arrays."""
    folders = ((ROOT / "frontend/src", "*.ts"), (ROOT / "src/guzheng/web/static", "*.js"))
    files = [
        file
        for folder, kind in folders
        for file in folder.rglob(kind)
        if "built" not in file.relative_to(folder).parts
    ]
    assert len(files) > 20
    for file in files:
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            found = _MERGED.search(line.partition("//")[0])
            assert found is None, f"{file.relative_to(ROOT)}:{number}: {line.strip()[:80]}"


def _called(function: ast.expr) -> str:
    """The name of a builtin, or of a function of os."""
    if isinstance(function, ast.Name):
        return function.id
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.attr if function.value.id in {"os", "builtins"} else ""
    return ""
