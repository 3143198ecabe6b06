"""A machine whose hosts file leads a name astray, in a mount namespace of its own (R-2)."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from guzheng import origin
from tests.hostile.capturing import Captured, capture
from tests.hostile.conftest import Site
from tests.hostile.nameserver import answering

pytestmark = pytest.mark.browser
_NAME = "shop.guzheng.test"


def _poisoned(folder: Path, url: str, hosts: str, resolvers: Sequence[str] = ()) -> Captured:
    """A capture with this hosts file; nothing outside its namespace sees it."""
    poison = folder / "hosts"
    poison.write_text(hosts)
    mount = 'mount --bind "$0" /etc/hosts || exit 99; exec "$@"'
    within = ["unshare", "--mount", "sh", "-c", mount, str(poison)]
    tried = subprocess.run([*within, "true"], capture_output=True, check=False, timeout=60)
    if tried.returncode != 0:
        pytest.skip("may not mount here")
    return capture(folder, url, before=within, resolvers=[*resolvers])


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
