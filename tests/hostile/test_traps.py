"""Pages that want something else than to be looked at: each is refused or recorded by name."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guzheng.proof.manifest import ATTEMPT_ITEMS
from tests.hostile.capturing import (
    ROOT,
    capture,
    command_for,
    order_of,
    programs_naming,
)
from tests.hostile.conftest import Site
from tests.hostile.site import TWO_GIB
from tests.ports import free_port

pytestmark = pytest.mark.browser
SHORT = {"wall_seconds": 40, "page_seconds": 2}


def _refused(captured_folder: Path, url: str, code: str, **more: object) -> dict[str, object]:
    captured = capture(captured_folder, url, **more)  # type: ignore[arg-type]
    assert captured.exit_status == 1, captured.said
    assert captured.failure["code"] == code, captured.failure
    assert captured.complained == ""
    record = captured.record
    assert record.outcome == "failed"
    assert record.failure is not None
    assert record.failure.code == code
    allowed = "capture.private-addresses-allowed" in record.notes
    assert allowed == bool(record.private_addresses_allowed)
    kept = {one.name for one in (captured.out / "items").iterdir()}
    assert kept <= {*ATTEMPT_ITEMS}  # what the wire showed, and nothing of the page
    assert kept == {one.name for one in record.artefacts}
    return captured.failure


@pytest.mark.parametrize("path", ["/redirect-metadata", "/script-metadata", "/meta-metadata"])
def test_a_page_that_leads_to_the_metadata_address_is_no_capture(
    traps: Site, tmp_path: Path, path: str
) -> None:
    failure = _refused(tmp_path, traps.address + path, "capture.address-refused")
    assert "169.254.169.254: link-local" in str(failure["found"])


def test_only_the_addresses_that_were_allowed_are_allowed(tmp_path: Path) -> None:
    found = _refused(tmp_path, "http://127.0.0.2:8009/", "capture.address-refused")["found"]
    assert "127.0.0.2: loopback" in str(found)


def test_no_address_is_allowed_by_default(traps: Site, tmp_path: Path) -> None:
    _refused(tmp_path, traps.address, "capture.address-refused", allow=())
    assert traps.log.seen == []


def test_a_name_that_leads_inside_is_refused(traps: Site, tmp_path: Path) -> None:
    url = traps.address.replace("127.0.0.1", "localhost")
    found = _refused(tmp_path, url, "capture.address-refused", allow=("10.0.0.0/8",))["found"]
    assert "localhost" in str(found)
    assert traps.log.seen == []


def test_what_a_page_reaches_for_inside_is_refused_and_named(
    traps: Site, tmp_path: Path
) -> None:
    captured = capture(tmp_path, f"{traps.address}/within-metadata")
    assert captured.exit_status == 0, captured.failure
    record = captured.record
    assert "capture.address-refused-within" in record.notes
    assert "capture.requests-missing" in record.notes
    refused = {one.because for one in record.connections if one.outcome == "refused-address"}
    assert "169.254.169.254: link-local" in refused
    assert "127.0.0.2: loopback" in refused
    assert any("ipv4-mapped" in one for one in refused)
    failed = {one.url for one in record.requests if one.outcome == "failed"}
    assert "127.0.0.3: loopback" in refused  # by an octal spelling
    for part in ("fetch", "image", "frame", "?worker", "?service", ""):  # "": by a redirect
        assert f"http://169.254.169.254/latest/meta-data/{part}" in failed
    sockets = [one for one in record.requests if one.kind == "websocket"]
    assert [one.url for one in sockets] == ["ws://169.254.169.254/socket"]
    assert sockets[0].outcome in {"failed", "unfinished"}  # no handshake: nothing is archived


def test_a_name_without_address(tmp_path: Path) -> None:
    _refused(tmp_path, "http://no-such-host.invalid/", "capture.name-not-resolved")


def test_nobody_listens(tmp_path: Path) -> None:
    _refused(tmp_path, f"http://127.0.0.1:{free_port()}/", "capture.connection-refused")


def test_a_server_that_never_answers(traps: Site, tmp_path: Path) -> None:
    _refused(tmp_path, f"{traps.address}/silent", "capture.timed-out", limits=SHORT)


def test_a_document_that_never_ends(traps: Site, tmp_path: Path) -> None:
    _refused(tmp_path, f"{traps.address}/drip", "capture.timed-out", limits=SHORT)


def test_a_document_without_bound(traps: Site, tmp_path: Path) -> None:
    limits = {**SHORT, "page_seconds": 20, "bytes": 8_000_000}
    _refused(tmp_path, f"{traps.address}/endless", "capture.too-large", limits=limits)


def test_a_page_whose_script_never_pauses(traps: Site, tmp_path: Path) -> None:
    limits = {**SHORT, "wall_seconds": 12}
    _refused(tmp_path, f"{traps.address}/spin", "capture.timed-out", limits=limits)


def test_a_page_that_never_answers_is_not_called_too_slow_for_the_whole(
    traps: Site, tmp_path: Path
) -> None:
    """The reason on the record is the one that was met, not the limit that was not."""
    limits = {"wall_seconds": 100, "page_seconds": 2}
    failure = _refused(tmp_path, f"{traps.address}/spin", "capture.timed-out", limits=limits)
    assert failure["found"] == "its script never pauses"


def test_a_page_whose_script_is_long_at_work_is_waited_for(traps: Site, tmp_path: Path) -> None:
    """Longer than any single answer is waited for, and well within the time of a page."""
    captured = capture(tmp_path, f"{traps.address}/busy")
    assert captured.exit_status == 0, captured.failure
    assert "done at last" in (captured.out / "items/dom.html").read_text("utf-8")


def test_redirects_without_end(traps: Site, tmp_path: Path) -> None:
    captured = capture(tmp_path, f"{traps.address}/loop")
    assert captured.failure["code"] == "capture.too-many-redirects"
    assert len(captured.record.redirects) >= 19


def test_a_download_is_refused_and_does_not_fill_the_disk(traps: Site, tmp_path: Path) -> None:
    failure = _refused(tmp_path, f"{traps.address}/download", "capture.is-a-download")
    assert str(TWO_GIB) in str(failure["found"])
    assert "two-gib.zip" in str(failure["found"])
    assert traps.log.octets_of_download < TWO_GIB / 20


def test_a_download_that_a_page_starts_is_denied_and_noted(traps: Site, tmp_path: Path) -> None:
    captured = capture(tmp_path, f"{traps.address}/download-within")
    assert captured.exit_status == 0, captured.failure
    assert "capture.download-denied" in captured.record.notes
    assert traps.log.octets_of_download < TWO_GIB / 20


def test_no_content_is_no_page(traps: Site, tmp_path: Path) -> None:
    _refused(tmp_path, f"{traps.address}/no-content", "capture.no-content")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/",
        "javascript:alert(1)",
        "chrome://version",
        "http://",
        "http://a b/",
        "http://example.org:99999/",
        "example.org",
    ],
)
def test_only_http_urls(tmp_path: Path, url: str) -> None:
    _refused(tmp_path, url, "capture.url-not-http")


def test_a_password_in_the_url_never_reaches_the_record(tmp_path: Path) -> None:
    _refused(tmp_path, "http://user:secret@example.org/", "capture.url-with-password")
    assert b"secret" not in (tmp_path / "out/capture.json").read_bytes()


@pytest.mark.parametrize(("path", "status"), [("/error", 500), ("/error-empty", 503)])
def test_an_error_answer_is_captured_and_noted(
    traps: Site, tmp_path: Path, path: str, status: int
) -> None:
    captured = capture(tmp_path, traps.address + path)
    assert captured.exit_status == 0, captured.failure
    assert captured.record.observed_status == status
    assert "capture.http-error-status" in captured.record.notes


def test_dialogs_do_not_hold_us(traps: Site, tmp_path: Path) -> None:
    captured = capture(tmp_path, f"{traps.address}/dialogs")
    assert captured.exit_status == 0, captured.failure
    details = [one.detail for one in captured.record.steps if one.step == "dialog.dismissed"]
    assert details == ["alert: hello", "confirm: sure?", "prompt: name?"]
    assert "after the dialogs" in (captured.out / "items/dom.html").read_text("utf-8")


def test_popups_are_closed_unseen(traps: Site, tmp_path: Path) -> None:
    captured = capture(tmp_path, f"{traps.address}/popups")
    assert captured.exit_status == 0, captured.failure
    assert captured.record.observed_title == "popups"
    if any(path.startswith("/arrived") for _, path, _ in traps.log.seen):
        assert "capture.popup-closed" in captured.record.notes


def test_a_list_without_end_is_cut_and_said_so(traps: Site, tmp_path: Path) -> None:
    captured = capture(
        tmp_path, f"{traps.address}/scroll", limits={"page_seconds": 8, "wall_seconds": 60}
    )
    assert captured.exit_status == 0, captured.failure
    assert "capture.scroll-limit" in captured.record.limits_hit
    assert len(captured.record.requests) > 60


def test_a_page_that_asks_for_too_much_is_cut_and_said_so(traps: Site, tmp_path: Path) -> None:
    captured = capture(tmp_path, f"{traps.address}/many", limits={"requests": 200})
    assert captured.exit_status == 0, captured.failure
    assert "capture.request-limit" in captured.record.limits_hit


@pytest.mark.parametrize("path", ["/reloads", "/frames", "/odd", "/closes"])
def test_an_odd_page_is_captured_or_refused_but_never_a_fault(
    traps: Site, tmp_path: Path, path: str
) -> None:
    limits = {"wall_seconds": 60, "page_seconds": 4, "requests": 500}
    captured = capture(tmp_path, traps.address + path, limits=limits)
    assert captured.complained == ""
    record = captured.record
    if record.failure is not None:
        assert record.failure.code != "capture.fault"
    else:
        assert captured.exit_status == 0


def test_a_full_disk(traps: Site, tmp_path: Path) -> None:
    """In a mount namespace of its own, where the folder has room for 60 kB."""
    (tmp_path / "out").mkdir()
    (tmp_path / "kept").mkdir()
    script = (
        'mount -t tmpfs -o size=60k none "$0/out" || exit 99; "$@"; status=$?; '
        'cp -r "$0/out/." "$0/kept"; exit $status'
    )
    command = command_for(tmp_path, order_of(f"{traps.address}/long"))
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(tmp_path), *command],
        capture_output=True,
        check=False,
        cwd=ROOT,
    )
    if done.returncode == 99 or b"unshare" in done.stderr:
        pytest.skip("may not mount here")
    assert done.returncode == 1
    assert done.stderr == b""
    failure = (tmp_path / "kept/failure.json").read_bytes()
    assert b'"code":"capture.not-written"' in failure
    assert b"No space left" in failure
    assert not list((tmp_path / "kept/items").iterdir())


def test_where_chromium_is_missing_it_says_what_to_install(tmp_path: Path) -> None:
    failure = _refused(
        tmp_path, "http://example.org/", "capture.no-browser", chromium="/no/such/chromium"
    )
    assert "apt-get install chromium" in str(failure["expected"])
    assert failure["act"] == "the operator"


def test_a_browser_that_dies_at_once(tmp_path: Path) -> None:
    failure = _refused(
        tmp_path, "http://example.org/", "capture.browser-died", chromium="/bin/false"
    )
    assert failure["act"] == "the operator"


def test_an_order_that_is_none(tmp_path: Path) -> None:
    done = subprocess.run(
        command_for(tmp_path, b'{"url": 1}'), capture_output=True, check=False, cwd=ROOT
    )
    assert done.returncode == 1
    assert b"capture.order-malformed" in (tmp_path / "out/failure.json").read_bytes()
    assert done.stderr == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_when_the_capturer_is_killed(
    traps: Site, tmp_path: Path, number: signal.Signals
) -> None:
    command = command_for(tmp_path, order_of(f"{traps.address}/silent"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if b"page.opening" in line:
                break
        folders = {
            found.group()
            for process in programs_naming("guzheng-capture-")
            if _parent(process) == running.pid and (found := _job_folder(process))
        }
        running.send_signal(number)
        running.stdout.read()
        running.wait(20)
    assert folders
    for folder in folders:
        _wait_until_gone(folder)
    if number == signal.SIGTERM:
        assert b"capture.stopped" in (tmp_path / "out/failure.json").read_bytes()
        assert not any(Path(folder).exists() for folder in folders)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _parent(process: int) -> int:
    stat = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    return int(stat.rpartition(")")[2].split()[1])


def _job_folder(process: int) -> re.Match[str] | None:
    line = Path(f"/proc/{process}/cmdline").read_bytes().decode("utf-8", "replace")
    return re.search(r"/[\w/.-]*guzheng-capture-[a-z0-9_-]+", line)


def _wait_until_gone(folder: str) -> None:
    for _ in range(100):
        if not programs_naming(folder):
            return
        time.sleep(0.05)
    raise AssertionError(f"still running: {programs_naming(folder)}")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_without_root_it_runs_as_ourselves(traps: Site, tmp_path: Path) -> None:
    work = Path("/var/tmp") / f"guzheng-test-{os.getpid()}"
    work.mkdir(0o777)
    work.chmod(0o777)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    try:
        if subprocess.run([*nobody, "test", "-x", ROOT / "src"], check=False).returncode:
            pytest.skip("nobody may not read this folder")
        captured = capture(work, traps.address, before=nobody)
        assert captured.exit_status == 0, captured.complained
        assert captured.sandbox == "namespace"
        browser = captured.environment["browser"]
        assert isinstance(browser, dict)
        assert browser["own_user"] is False
    finally:
        shutil.rmtree(work)


def test_no_sandbox_only_where_none_can_work_and_then_it_says_so(
    traps: Site, tmp_path: Path
) -> None:
    """A container in which no user namespace can be made, and only one uid exists."""
    without = [
        "unshare", "--user", "--map-root-user", "sh", "-c",
        'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh",
    ]  # fmt: skip
    if subprocess.run([*without, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces on this machine")
    captured = capture(tmp_path, traps.address, before=without)
    assert captured.exit_status == 0, captured.failure
    assert captured.sandbox.startswith("off: ")
    assert "capture.sandbox-off" in captured.record.notes


def test_an_attempt_keeps_what_passed(traps: Site, tmp_path: Path) -> None:
    """The redirects that led nowhere can be read from the octets, by who knows nothing else."""
    captured = capture(tmp_path, f"{traps.address}/loop")
    assert captured.failure["code"] == "capture.too-many-redirects"
    record = captured.record
    assert [one.name for one in record.artefacts] == ["environment.json", "transcript.zip"]
    assert [one.name for one in record.moments] == ["opening", "transcript", "closing"]
    assert record.transcript is not None
    assert record.completeness is None
    done = subprocess.run(
        [sys.executable, "-m", "guzheng.transcript", str(captured.out), "--json", "--list"],
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert done.returncode == 2, done.stderr  # no TLS was spoken, so there is no key
    assert {one["step"] for one in told["findings"] if one["code"] != "ok"} == {
        "transcript.keys"
    }
    hops = [one for one in told["exchanges"] if "/loop" in one["url"]]
    assert len(hops) >= 20
    assert {one["status"] for one in hops} == {302}
