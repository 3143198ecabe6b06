"""What a page hands down: kept within limits if the order says so, else denied; always told."""

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.hostile.capturing import Captured, capture
from tests.hostile.site import Log, Traps, serving

pytestmark = pytest.mark.browser
_PAGE = """<!doctype html><meta charset=utf-8><title>下载</title><p>a page</p><script>
const paths = ['/paper.pdf', '/large.bin', '/odd', '/broken'];
async function fetchAll() { for (const path of paths) {
  const link = document.createElement('a'); link.href = path; link.download = '';
  document.body.append(link); link.click();
  await new Promise(next => setTimeout(next, 300)); } }
onload = () => setTimeout(fetchAll, 50);
</script>"""
PAPER = b"%PDF-1.4 " + bytes(range(256)) * 40
_LARGE = 80 << 20
_ODD = "attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd%E2%80%AEfdp.exe"


class Handing(Traps):
    def answer(self) -> None:
        octets = {"content-type": "application/octet-stream"}
        match self.path:
            case "/":
                self.send(200, {"content-type": "text/html; charset=utf-8"}, _PAGE.encode())
            case "/paper.pdf":
                held = {"content-disposition": "attachment; filename=paper.pdf"}
                self.send(200, octets | held, PAPER)
            case "/odd":
                self.send(200, octets | {"content-disposition": _ODD}, b"odd")
            case "/large.bin":
                parts: Iterator[bytes] = (bytes(65536) for _ in range(_LARGE // 65536))
                self.stream("application/octet-stream", parts, content_length=str(_LARGE))
            case "/broken":
                self.stream("application/octet-stream", iter([b"half"]), content_length="1000")
            case _:
                self.send(404, {}, b"")


def captured_with(folder: Path, *options: str) -> Captured:
    with serving(partial(Handing, log=Log())) as address:
        captured = capture(folder, f"{address}/", options=list(options))
    assert captured.exit_status == 0, (captured.said, captured.complained)
    return captured


def lines_of(captured: Captured) -> dict[str, dict[str, object]]:
    text = (captured.out / "items/downloads.jsonl").read_text("utf-8")
    schema, *lines = [json.loads(line) for line in text.splitlines()]
    assert schema == {"schema": "guzheng.downloads/1"}
    return {str(one["url"]).rpartition("/")[2]: one for one in lines}


def test_what_is_kept_and_what_is_not_and_why(tmp_path: Path) -> None:
    captured = captured_with(tmp_path, "keep-downloads")
    lines = lines_of(captured)
    paper, odd = lines["paper.pdf"], lines["odd"]
    assert (paper["outcome"], paper["claimed_name"], paper["why"]) == ("kept", "paper.pdf", "")
    kept = (captured.out / "items" / str(paper["item"])).read_bytes()
    assert kept == PAPER
    assert paper["sha256"] == f"sha256:{hashlib.sha256(PAPER).hexdigest()}"
    assert odd["outcome"] == "kept"
    assert str(odd["item"]).startswith("download-")
    assert (lines["large.bin"]["outcome"], "item" in lines["large.bin"]) == ("left-out", False)
    assert "octets" in str(lines["large.bin"]["why"])
    assert lines["broken"]["outcome"] == "broken-off"
    record = captured.record
    items = {one.name: one for one in record.artefacts}
    assert {"downloads.jsonl", str(paper["item"]), str(odd["item"])} <= items.keys()
    assert items[str(paper["item"])].media_type == "application/octet-stream"
    assert sum(name.startswith("download-") for name in items) == 2
    assert {
        "capture.download-kept", "capture.download-denied", "capture.downloads-cut",
    } <= {*record.notes}  # fmt: skip
    assert "capture.downloads-cut" in record.limits_hit
    assert record.options == ("keep-downloads",)


def test_without_the_option_each_is_denied_by_name(tmp_path: Path) -> None:
    captured = captured_with(tmp_path)
    lines = lines_of(captured)
    assert {one["outcome"] for one in lines.values()} == {"denied"}
    assert all(one["why"] for one in lines.values())
    assert "paper.pdf" in lines
    assert "capture.download-denied" in captured.record.notes
    assert not [one for one in captured.record.artefacts if one.name.endswith(".bin")]
