"""What the report says of package, routes, names and leftovers, on files that we made."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from guzheng.capturer import jobfolder, leftovers, machine, packages, routes, software
from guzheng.capturer.checksums import Checksums

_STATUS = """Package: chromium
Status: install ok installed
Version: 156.0-1

Package: chromium-common
Status: install ok installed
Version: 156.0-1

Package: chromium-driver
Status: deinstall ok config-files
Version: 156.0-1

Package: chromium-l10n
Status: install ok installed
Version: 155.0-1
"""


def _installed(folder: Path, changed: bytes = b"") -> packages.Installed:
    """A root with a browser of two packages; `changed` is written after they were listed."""
    root, dpkg = folder / "root", folder / "dpkg"
    (dpkg / "info").mkdir(parents=True)
    (dpkg / "status").write_text(_STATUS)
    for package, path in (("chromium", "lib/chromium"), ("chromium-common", "lib/res.pak")):
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.encode())
        md5 = hashlib.md5(path.encode(), usedforsecurity=False).hexdigest()
        (dpkg / f"info/{package}.md5sums").write_text(f"{md5}  {path}\n")
        (dpkg / f"info/{package}.list").write_text(f"/.\n{place}\n")
    if changed:
        (root / "lib/res.pak").write_bytes(changed)
    return packages.compare(packages.identify(root / "lib/chromium"), dpkg, root)


def test_a_program_as_its_package_brought_it(tmp_path: Path) -> None:
    found = _installed(tmp_path)
    assert found.fault == ""
    assert found.packages == {"chromium": "156.0-1", "chromium-common": "156.0-1"}
    assert (found.files, found.altered) == (2, [])


def test_a_file_that_was_altered_is_named(tmp_path: Path) -> None:
    found = _installed(tmp_path, changed=b"another")
    assert found.altered == ["lib/res.pak"]
    assert "lib/res.pak" in found.fault


def test_every_file_is_read_whatever_is_remembered_of_it(tmp_path: Path) -> None:
    place, program, owner = tmp_path / "known.json", tmp_path / "program", os.getuid()
    program.write_bytes(b"as it was brought")
    first = Checksums(place, owner)
    was = first.of(program)
    first.keep()
    assert Checksums(place, owner).of(program) == was == Checksums().of(program)
    stat = program.stat()
    program.write_bytes(b"as it was altered")  # the same size; and the same time, below
    os.utime(program, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    found = Checksums(place, owner).of(program)
    assert found.md5 == hashlib.md5(b"as it was altered", usedforsecurity=False).hexdigest()
    assert found.sha256 == hashlib.sha256(b"as it was altered").digest()


@pytest.mark.parametrize("mode", [0o606, 0o660])
def test_what_others_may_write_is_not_believed(tmp_path: Path, mode: int) -> None:
    place, program = tmp_path / "known.json", tmp_path / "program"
    program.write_bytes(b"elf")
    sha256 = hashlib.sha256(b"elf").hexdigest()
    place.write_text(json.dumps([f"{sha256}:{'0' * 32}"]))
    place.chmod(0o600)
    assert Checksums(place, os.getuid()).of(program).md5 == "0" * 32
    assert Checksums(place, os.getuid() + 1).of(program).md5 != "0" * 32
    place.chmod(mode)
    assert Checksums(place, os.getuid()).of(program).md5 != "0" * 32
    place.unlink()
    place.symlink_to(tmp_path / "another")
    assert Checksums(place, os.getuid()).of(program).md5 != "0" * 32


def test_a_program_of_no_package(tmp_path: Path) -> None:
    (tmp_path / "info").mkdir()
    path = tmp_path / "chrome"
    path.write_bytes(b"elf")
    found = packages.compare(packages.identify(path), tmp_path, tmp_path)
    assert "no package" in found.fault


def test_default_routes_are_read_from_the_kernels_tables(tmp_path: Path) -> None:
    head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n"
    rows = "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\n"
    rows += "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\n"
    (tmp_path / "route").write_text(head + rows)
    (tmp_path / "ipv6_route").write_text(
        f"{'0' * 32} 00 {'0' * 32} 00 fd00{'0' * 27}1 00000400 1 0 00000003 eth0\n"
        f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} ffffffff 1 0 00200200 lo\n"
    )
    assert routes.default_routes(tmp_path) == [
        {"interface": "eth0", "gateway": "192.0.2.1"},
        {"interface": "eth0", "gateway": "fd00::1"},
    ]
    assert routes.local_address_towards("127.0.0.1") == "127.0.0.1"
    assert routes.local_address_towards("not an address") == ""
    assert ("lo", "loopback") in {(one["name"], one["kind"]) for one in routes.interfaces()}


def test_names_that_the_hosts_file_presets(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost # shop.example\n10.0.0.1\tBank.example  other\n")
    found = machine.preset_names(["bank.example.", "shop.example", "other"], hosts)
    assert found == ["bank.example", "other"]
    assert machine.preset_names(["other"], tmp_path / "none") == []


def test_localhost_means_loopback_with_or_without_the_file(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n::1 localhost\n127.0.1.1 machine\n")
    assert machine.preset_names(["localhost", "localhost."], hosts) == []
    assert machine.preset_names(["machine"], hosts) == ["machine"]  # it stands nowhere else
    hosts.write_text("127.0.0.1 localhost\n203.0.113.7 localhost # led astray\n\n#\n1.2.3.4\n")
    assert machine.preset_names(["localhost"], hosts) == ["localhost"]


def test_what_is_preloaded_is_a_stain(tmp_path: Path) -> None:
    empty = tmp_path / "ld.so.preload"
    assert machine.preload_fault((), empty) == ""
    empty.write_text("# nothing\n")
    assert machine.preload_fault((), empty) == ""
    empty.write_text("/lib/spy.so\n")
    assert "entries" in machine.preload_fault((), empty)
    assert "LD_PRELOAD" in machine.preload_fault(("LD_PRELOAD",), empty)


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives users away")
def test_two_jobs_that_start_at_once_have_two_users() -> None:
    """With one seed, and before anything of either runs."""
    script = (
        "from guzheng.capturer.jobuser import uid_for_job\n"
        "print(uid_for_job(own_uid=0, seed=7), flush=True); input()"
    )
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    users = [one.stdout.readline() for one in programs if one.stdout]
    for one in programs:
        one.communicate(b"\n", timeout=30)
    assert len(set(users)) == 3
    assert all(int(user) % 2 == 0 for user in users)


def test_the_browser_s_socket_has_a_path_that_the_kernel_takes() -> None:
    """unix(7): 107 octets. A folder that would make it longer is not used."""
    with tempfile.TemporaryDirectory() as open_to_all:
        far = Path(open_to_all) / ("far" * 20)
        far.mkdir()
        Path(open_to_all).chmod(0o755)
        folder = jobfolder.JobFolder(far, os.getuid())
        try:
            socket = folder.browser / "org.chromium.Chromium.123456" / "SingletonSocket"
            assert len(os.fsencode(socket)) <= 107
            assert not folder.path.is_relative_to(far)
        finally:
            folder.remove()
    # Of the last process of a machine that has been up for three years, too.
    assert len(leftovers.short(4_026_531_836)) <= 7
    assert len(leftovers.short(4_194_304)) + len(leftovers.short(10**10)) <= 12


def test_the_software_is_known_by_its_octets() -> None:
    found = software.software()
    assert found["sources_sha256"] == software.sources_digest()
    assert len(str(found["sources_sha256"])) == 64


def test_a_sweep_removes_what_the_dead_left_and_nothing_else(tmp_path: Path) -> None:
    done = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    dead = leftovers.token_of(done.pid)
    assert leftovers.is_alive(dead)
    # A browser that outlived its capturer: it names the folder of the job.
    of_dead = tmp_path / f"{leftovers.PREFIX}{dead}-x"
    script = "import time; time.sleep(600)"
    orphan = subprocess.Popen([sys.executable, "-c", script, str(of_dead)])
    done.communicate(b"\n")
    ours = tmp_path / f"{leftovers.PREFIX}{leftovers.token_of(os.getpid())}-x"
    strange = tmp_path / f"{leftovers.PREFIX}4-5-6-x"
    for folder in (of_dead, ours, strange):
        (folder / "browser").mkdir(parents=True)
    link = tmp_path / f"{leftovers.PREFIX}{dead}-link"
    link.symlink_to(ours)
    now = time.time()
    assert not leftovers.is_alive(dead)
    assert of_dead.name in leftovers.sweep((tmp_path,), now=now)
    assert orphan.wait(30) < 0
    assert not of_dead.exists()
    assert ours.is_dir()
    assert link.is_symlink()
    assert strange.is_dir()  # of another namespace of processes, and young
    leftovers.sweep((tmp_path,), now=now + 90_000)
    assert not strange.exists()
    assert ours.is_dir()
