"""A machine whose hosts file leads a name astray, in a mount namespace of its own (R-2)."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from guzheng import origin
from guzheng.app import Platform
from guzheng.config import load
from guzheng.web import create_app
from tests.faces.conftest import serving
from tests.hostile.capturing import Captured, capture
from tests.hostile.conftest import Site
from tests.hostile.nameserver import answering

pytestmark = pytest.mark.browser
_NAME = "shop.guzheng.test"
_MAIN = "from guzheng.cli import main; main()"


def _within(folder: Path, hosts: str) -> list[str]:
    """What to put before a command that shall see this hosts file; nothing else sees it."""
    poison = folder / "hosts"
    poison.write_text(hosts)
    mount = 'mount --bind "$0" /etc/hosts || exit 99; exec "$@"'
    within = ["unshare", "--mount", "sh", "-c", mount, str(poison)]
    tried = subprocess.run([*within, "true"], capture_output=True, check=False, timeout=60)
    if tried.returncode != 0:
        pytest.skip("may not mount here")
    return within


def _poisoned(folder: Path, url: str, hosts: str, resolvers: Sequence[str] = ()) -> Captured:
    return capture(folder, url, before=_within(folder, hosts), resolvers=[*resolvers])


def test_a_poisoned_name_is_marked_and_so_is_what_another_resolver_says(
    traps: Site, tmp_path: Path
) -> None:
    port = traps.address.rpartition(":")[2]
    with answering(lambda _name, _before: ("203.0.113.7",)) as other:
        captured = _poisoned(
            tmp_path,
            f"http://{_NAME}:{port}/",
            f"127.0.0.1 localhost\n127.0.0.1 {_NAME}\n",
            resolvers=[other.spelled],
        )
    assert captured.exit_status == 0, captured.complained
    found = origin.judge(captured.record.notes)
    assert found.failed
    assert found.because == (origin.PRESET, origin.DIFFERS)
    network = captured.environment["network"]
    assert isinstance(network, dict)
    assert network["names_preset"] == [_NAME]


def test_a_page_that_a_poisoned_name_made_unreachable_is_marked(
    traps: Site, tmp_path: Path
) -> None:
    port = traps.address.rpartition(":")[2]
    hosts = f"127.0.0.1 localhost\n203.0.113.7 {_NAME}\n"
    captured = _poisoned(tmp_path, f"http://{_NAME}:{port}/", hosts)
    assert captured.failure["code"] == "capture.address-refused"
    assert origin.judge(captured.record.notes).because == (origin.PRESET,)


def test_localhost_in_the_hosts_file_is_no_mark(traps: Site, tmp_path: Path) -> None:
    port = traps.address.rpartition(":")[2]
    hosts = "127.0.0.1 localhost\n"
    captured = _poisoned(tmp_path, f"http://localhost:{port}/", hosts)
    assert captured.exit_status == 0, captured.complained
    assert origin.judge(captured.record.notes).code == origin.RESERVED


def test_whoever_waits_for_it_is_told_and_so_is_the_exhibits_page(
    traps: Site, tmp_path: Path
) -> None:
    port = traps.address.rpartition(":")[2]
    settings = {
        "GUZHENG_ALLOW_PRIVATE": "127.0.0.1/32",
        "GUZHENG_ACCOUNTS": "off",
        "GUZHENG_CAPTURES_WAITING": "0",
    }
    url = f"http://{_NAME}:{port}/"
    command = [sys.executable, "-c", _MAIN, "capture", url, "--data", "data"]
    done = subprocess.run(
        [*_within(tmp_path, f"127.0.0.1 {_NAME}\n"), *command],
        env={**os.environ, **settings}, cwd=tmp_path, capture_output=True, text=True,
        check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "[origin.failed]" in done.stderr
    assert "来源核查：未通过" in done.stderr
    platform = Platform(load(tmp_path / "data", environment=settings))
    (line,) = platform.exhibits(1)
    with serving(create_app(platform)) as face:
        page = face.client.get(f"/exhibits/{line.exhibit}").text
    marked = page[page.index('id="origin"') :].partition("</section>")[0]
    assert "来源核查：未通过" in marked
    assert "hosts 文件" in marked
