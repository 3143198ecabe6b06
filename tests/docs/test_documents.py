"""Documents are held to the code they speak of."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from guzheng.cli.main import commands
from guzheng.proof.manifest import Manifest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_tables_made_from_the_code_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "docs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_commands_in_the_readme_exist(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    for command in re.findall(r"\.venv/bin/guzheng (\w+)", text):
        assert command in commands.commands
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"make (\w+)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_tests_that_the_threats_name_exist() -> None:
    named = re.findall(
        r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs/threats.md").read_text("utf-8")
    )
    assert len(named) > 40
    for path, name in named:
        assert f"\ndef {name}(" in (ROOT / path).read_text("utf-8"), (path, name)


def test_architecture_is_short_and_its_paths_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    assert text.count("\n") <= 200
    for path in re.findall(r"`((?:src|tools)/[\w/.]+)`", text):
        assert (ROOT / path).exists(), path


def test_the_example_of_the_manifest_is_one() -> None:
    text = (ROOT / "docs" / "spec" / "manifest.md").read_text("utf-8")
    found = re.search(r"```json\n(.*?)\n```", text, re.DOTALL)
    assert found is not None
    example = found[1].encode()
    assert Manifest.parse(example).encode() == example
    assert hashlib.sha256(example).hexdigest() in text


def test_every_field_of_the_manifest_is_specified() -> None:
    text = (ROOT / "docs" / "spec" / "manifest.md").read_text("utf-8")
    for name in Manifest.__dataclass_fields__:
        assert f"`{name}`" in text, name


def test_pages_promise_no_admission_and_claim_no_chain() -> None:
    # R-11 and S1-126: the words may stand only where it is said that they are not used.
    for page in PAGES:
        for line in page.read_text("utf-8").splitlines():
            if "区块链" in line or "司法链" in line:
                assert "not used" in line or "不" in line, (page.name, line)
            assert "具有法律效力" not in line
