"""tools/setup.py says what cannot be had, and goes on only where going on is honest."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETUP = ROOT / "tools" / "setup.py"
ASK_FOR_A_PACKAGE_NOBODY_HAS = """
import sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import setup
package = setup.Debian("guzheng-no-such-package", "会少一样", "one thing is lost")
setup.debian_packages([package])
"""


def test_it_is_told_what_to_prepare() -> None:
    done = subprocess.run([sys.executable, SETUP], capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert "serve|test|soak" in done.stderr


def test_without_root_a_missing_debian_package_is_named_and_the_rest_goes_on() -> None:
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if os.geteuid() != 0:
        drop = []
    elif not shutil.which("setpriv"):
        pytest.skip("root without setpriv cannot become somebody else")
    with tempfile.TemporaryDirectory() as folder:  # ours may not be readable to nobody
        shutil.copy(SETUP, folder)
        Path(folder).chmod(0o755)
        done = subprocess.run(
            [
                *drop,
                "/usr/bin/env",
                "python3",
                "-I",
                "-c",
                ASK_FOR_A_PACKAGE_NOBODY_HAS,
                folder,
            ],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            cwd="/",
        )
    assert done.returncode == 0, done.stderr
    assert "apt-get install -y --no-install-recommends guzheng-no-such-package" in done.stdout
    assert "会少一样" in done.stdout
    assert "one thing is lost" in done.stdout


def test_without_a_network_it_says_which_step_and_what_to_do(tmp_path: Path) -> None:
    for part in ("tools", "requirements"):
        shutil.copytree(ROOT / part, tmp_path / part)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    nowhere = "http://127.0.0.1:9/"  # the discard port: nothing of ours listens there
    done = subprocess.run(
        [sys.executable, tmp_path / "tools" / "setup.py", "serve"],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(tmp_path),
            "PIP_INDEX_URL": nowhere,
            "PIP_RETRIES": "0",
            "PIP_NO_CACHE_DIR": "1",
        },
    )
    assert done.returncode == 1
    assert "… 安装工具 pinned uv" in done.stdout  # the step that it was in
    assert "✗ 取不到 Python 软件包" in done.stderr
    assert "✗ Python packages could not be had" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".venv" / ".setup" / "uv").exists()


@pytest.mark.parametrize("command", ["guzheng", "guzheng-verify"])
def test_both_commands_are_there(command: str) -> None:
    assert (Path(sys.prefix) / "bin" / command).is_file()
