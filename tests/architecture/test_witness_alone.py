"""Witness and mirror need the base install, `cryptography`, and nothing else of anybody's."""

import json
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.architecture.conftest import Run
from tests.architecture.test_verifier_alone import ALLOWED

IMPORT = """
import importlib, json, pkgutil, sys
before = set(sys.modules)
package = importlib.import_module(sys.argv[1])
for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
    importlib.import_module(found.name)
names = {name.partition(".")[0] for name in set(sys.modules) - before}
ours = {name.split(".")[1] for name in sys.modules if name.startswith("guzheng.")}
foreign = sorted(names - set(sys.stdlib_module_names))
print(json.dumps({"foreign": foreign, "ours": sorted(ours)}))
"""


@pytest.mark.parametrize("program", ["witness", "mirror"])
def test_it_imports_cryptography_and_nothing_else(alone: Run, program: str) -> None:
    done = alone("-c", IMPORT, f"guzheng.{program}")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told["foreign"]) <= ALLOWED
    assert set(told["ours"]) == {"cosigner", program, "proof", "words"}


def test_a_court_starts_it_by_its_own_name(installed: Path) -> None:
    (metadata,) = installed.glob("guzheng-*.dist-info/entry_points.txt")
    scripts = ConfigParser()
    scripts.read(metadata)
    for program in ("witness", "mirror"):
        started = scripts["console_scripts"][f"guzheng-{program}"]
        assert started == f"guzheng.{program}.__main__:start"


def test_a_witness_is_set_up_there(alone: Run, tmp_path: Path) -> None:
    where = ("--data", tmp_path / "w", "--name", "witness.example/w1")
    done = alone("-m", "guzheng.witness", "show", *where)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("witness witness.example/w1 witness.example/w1+")
