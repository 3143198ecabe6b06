"""Events go elsewhere too, where whoever takes over this machine cannot take them back."""

import json
import logging
import socket
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.app.auditing import Audit, copied
from guzheng.config import Config
from guzheng.refusals import Refused


def _told(platform: Platform) -> None:
    Audit(platform.parts.data, platform.now).tell("tsa.issuing", signer="a test")


def test_each_event_goes_elsewhere_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        collector.settimeout(60)
        where = f"syslog 127.0.0.1:{collector.getsockname()[1]}"
        platform = Platform(Config(tmp_path, audit_copy=where))
        Platform(Config(tmp_path, audit_copy=where))  # opened twice, told once
        _told(platform)
        got = collector.recv(65536)
        head, _, line = got.decode().partition("guzheng: ")
        assert head.startswith("<")
        assert json.loads(line)["event"] == "tsa.issuing"
        assert (tmp_path / "audit.jsonl").read_text("utf-8") == f"{line}\n"
        collector.setblocking(False)
        with pytest.raises(BlockingIOError):
            collector.recv(1)
    _told(platform)  # nobody collects any more: the file has it all the same
    assert len((tmp_path / "audit.jsonl").read_text("utf-8").splitlines()) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("hostile", ["a\nb", "a\r\n{}", "a\u2028b\x00\x1b[2J", '"}\n{"'])
def test_whatever_is_told_stays_within_its_line(tmp_path: Path, hostile: str) -> None:
    audit = Audit(tmp_path, Platform(Config(tmp_path)).now)
    audit.tell("tsa.issuing", signer=hostile)
    audit.tell("tsa.issuing", signer="the next")
    octets = (tmp_path / "audit.jsonl").read_bytes()
    lines = [json.loads(one) for one in octets.split(b"\n")[:-1]]
    assert [one["signer"] for one in lines] == [hostile, "the next"]
    assert not [one for one in octets if one < 0x20 and one != 0x0A]


def test_to_stdout_a_line_is_what_the_file_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    platform = Platform(Config(tmp_path, audit_copy="stdout"))
    _told(platform)
    assert capsys.readouterr().out == (tmp_path / "audit.jsonl").read_text("utf-8")


@pytest.mark.parametrize(
    "how", ["elsewhere", "syslog nowhere", "syslog :514", "syslog a:99999999"]
)
def test_what_cannot_be_is_refused_at_the_start(tmp_path: Path, how: str) -> None:
    with pytest.raises(Refused, match="audit_copy"):
        copied(tmp_path, how)
    assert logging.getLogger(f"guzheng.audit.{tmp_path.resolve()}").handlers == []
