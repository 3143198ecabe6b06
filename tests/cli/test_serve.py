"""`guzheng serve`: it answers, walks what comes in, stops when told, and shares its data."""

import os
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from guzheng.proof import timestamp
from guzheng.proof.digest import sha256
from tests import plain, softhsm
from tests.cli.test_keys import in_a_device, take_away
from tests.hostile.capturing import programs_naming
from tests.ports import free_port
from tests.road.programs import (
    answering,
    ended,
    lines,
    ran,
    running,
    started,
    stopped,
)
from tests.stations.test_fix_authority import failure_of

PROMPTLY = 30  # seconds; nothing that is waited for would have come by itself


def walked(address: str, exhibit: str, seconds: float = 90) -> str:
    deadline = time.monotonic() + seconds
    state = ""
    with plain.client(timeout=30) as client:
        while time.monotonic() < deadline:
            state = client.get(f"{address}/api/exhibits/{exhibit}").json()["state"]
            if state in {"certified", "refused"}:
                break
            time.sleep(0.2)
    return state


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_and_stops(tmp_path: Path, number: signal.Signals) -> None:
    data, port = tmp_path / "data", free_port()
    address = f"http://127.0.0.1:{port}"
    with running("serve", "--port", port, "--data", data) as server:
        answering(address, server)
        assert plain.get(address, timeout=30).status_code == 200
        if number is signal.SIGTERM:
            sent = plain.post(
                f"{address}/api/exhibits", files={"file": ("a.txt", b"words")}, timeout=30
            )
            assert sent.status_code == 201, sent.text
            assert walked(address, sent.json()["exhibit"]) == "certified"
        status, seconds = stopped(server, number)
    assert status == 0
    assert seconds < PROMPTLY
    assert ran("fsck", "--data", data)[0] == 0


@pytest.mark.skipif(bool(softhsm.MISSING), reason=softhsm.MISSING)
def test_what_is_kept_is_served_while_the_device_is_away(tmp_path: Path) -> None:
    data, file, port = tmp_path / "data", tmp_path / "a.txt", free_port()
    file.write_bytes(b"words")
    settings = in_a_device(tmp_path)
    assert ran("keys", "rotate", "--data", data, **settings)[0] == 0
    (line,) = lines(ran("deposit", "--json", "--data", data, file, **settings)[1])
    take_away(tmp_path)
    address = f"http://127.0.0.1:{port}"
    query = timestamp.encode_request(sha256(b"words"), 7)
    kind = {"Content-Type": "application/timestamp-query"}
    with running("serve", "--port", port, "--data", data, **settings) as server:
        answering(address, server)
        page = plain.get(f"{address}/exhibits/{line['exhibit']}", timeout=30)
        assert page.status_code == 200
        answer = plain.post(f"{address}/tsa", content=query, headers=kind, timeout=30)
        assert failure_of(answer.content).name == "SYSTEM_FAILURE"
        server.send_signal(signal.SIGTERM)
        status, _, err = ended(server)
    assert (status, "[fix.pkcs11-unavailable]" in err) == (0, True), err


def test_two_servers_and_a_command_on_one_data_directory(tmp_path: Path) -> None:
    data, port, other = tmp_path / "data", free_port(), free_port()
    file = tmp_path / "a.txt"
    file.write_bytes(b"words")
    with running("serve", "--port", port, "--data", data) as first:
        answering(f"http://127.0.0.1:{port}", first)
        with running("serve", "--port", other, "--data", data) as second:
            answering(f"http://127.0.0.1:{other}", second)
            status, out, err = ended(started("deposit", "--json", "--data", data, file))
            assert status == 0, err
            (line,) = lines(out)
            for one in (port, other):
                page = plain.get(
                    f"http://127.0.0.1:{one}/exhibits/{line['exhibit']}", timeout=30
                )
                assert page.status_code == 200
            second.send_signal(signal.SIGTERM)
            status, _, err = ended(second)
            assert status == 0
            assert "[jobs.already-running]" in err
        status, out, err = ended(started("worker", "--until-idle", "--data", data))
        assert status == 1
        assert "[jobs.already-running]" in err
        assert stopped(first)[0] == 0
    assert ran("fsck", "--data", data)[0] == 0


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, out, err = ran("serve", "--port", port, "--data", tmp_path / "data")
    assert status == 1
    assert out == ""
    assert "[serve.port-taken]" in err
    assert "--port" in err


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1", "not a host"])
def test_an_address_that_is_not_ours(tmp_path: Path, host: str) -> None:
    status, _, err = ran("serve", "--host", host, "--port", 0, "--data", tmp_path / "data")
    assert status == 1
    assert "[serve.port-taken]" in err


def test_who_listens_on_every_address_answers_under_no_name_of_a_stranger(
    tmp_path: Path,
) -> None:
    """Accounts are off here: by a name that is answered its owner's page reads everything."""
    port = free_port()
    named = {"GUZHENG_PUBLIC_URL": "https://evidence.example", "GUZHENG_ANSWERED_NAMES": "nas"}
    everywhere = ("--host", "0.0.0.0", "--port", port)  # noqa: S104 - what the test is about
    with running("serve", *everywhere, "--data", tmp_path / "data", **named) as server:
        address = f"http://127.0.0.1:{port}"
        answering(address, server)

        def status(host: str) -> int:
            return plain.get(address, headers={"Host": host}, timeout=30).status_code

        for ours in (f"192.0.2.7:{port}", "evidence.example", "nas", socket.gethostname()):
            assert status(ours) == 200, ours
        assert status(f"evil.example:{port}") == 421
        assert stopped(server)[0] == 0


def test_names_that_are_none_are_refused_at_the_start(tmp_path: Path) -> None:
    for wrong in ("https://nas", "nas:8000", "*.example", "a b"):
        said = started(
            *("serve", "--port", 0, "--data", tmp_path / "data"),
            GUZHENG_ANSWERED_NAMES=wrong,
        )
        status, _, err = ended(said)
        assert status == 1, wrong
        assert "answered_names" in err


def test_killed_while_it_serves(tmp_path: Path) -> None:
    data, port = tmp_path / "data", free_port()
    address = f"http://127.0.0.1:{port}"
    with running("serve", "--port", port, "--data", data) as server:
        answering(address, server)
        sent = [
            plain.post(
                f"{address}/api/exhibits", files={"file": (f"{one}.txt", b"words")}, timeout=30
            ).json()["exhibit"]
            for one in range(4)
        ]
        os.kill(server.pid, signal.SIGKILL)
        server.communicate()
    status, out, _ = ran("worker", "--until-idle", "--json", "--data", data)
    assert status == 0
    status, out, _ = ran("list", "--json", "--data", data)
    assert {str(one["exhibit"]): one["state"] for one in lines(out)} == dict.fromkeys(
        sent, "certified"
    )
    assert ran("fsck", "--data", data)[0] == 0


@pytest.mark.browser
def test_stopped_in_the_middle_of_a_capture(tmp_path: Path) -> None:
    """The browser ends with it; the next start captures the page again."""
    data, port = tmp_path / "data", free_port()
    address = f"http://127.0.0.1:{port}"
    settings = {"GUZHENG_ALLOW_PRIVATE": "127.0.0.0/8"}
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection, says nothing
        page = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with running("serve", "--port", port, "--data", data, **settings) as server:
            answering(address, server)
            sent = plain.post(f"{address}/api/exhibits", json={"url": page}, timeout=30)
            assert sent.status_code in (201, 202), sent.text
            room = data / "captures" / sent.json()["exhibit"]
            silent.settimeout(60)
            with silent.accept()[0]:  # the browser waits for an answer
                assert list(room.glob("run-*/out/*"))
                status, seconds = stopped(server)
            assert status == 0
            assert seconds < PROMPTLY
            deadline = time.monotonic() + PROMPTLY
            while programs_naming(str(data)):
                assert time.monotonic() < deadline, "a capturer or its browser lives on"
                time.sleep(0.1)


def test_a_proxy_that_the_operator_named_says_who_asks(tmp_path: Path) -> None:
    """A load balancer on another machine; else all its clients are one to every limit."""
    data, port = tmp_path / "data", free_port()
    settings = {
        "GUZHENG_TRUSTED_PROXIES": "127.0.0.2/32",
        "GUZHENG_JOURNAL_CLIENT": "address",
    }
    asked = timestamp.encode_request(sha256(b"words"), 7)
    with running("serve", "--port", port, "--data", data, **settings) as server:
        answering(f"http://127.0.0.1:{port}", server)
        for peer, named in (("127.0.0.2", "203.0.113.7"), ("127.0.0.3", "203.0.113.8")):
            with plain.client(
                transport=httpx.HTTPTransport(local_address=peer), timeout=30
            ) as client:
                stamped = client.post(
                    f"http://127.0.0.1:{port}/tsa",
                    content=asked,
                    headers={
                        "Content-Type": "application/timestamp-query",
                        "X-Forwarded-For": named,
                    },
                )
            assert stamped.status_code == 200
        stopped(server)
    journal = b"".join(
        one.read_bytes() for one in (data / "journal").rglob("*") if one.is_file()
    )
    assert b"203.0.113.7" in journal
    assert b"127.0.0.3" in journal
    assert b"203.0.113.8" not in journal
