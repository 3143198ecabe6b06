"""Runs the capturer as its users do: as a program, on a folder, and reads the folder back."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from warcio.archiveiterator import ArchiveIterator

from guzheng.capturer.record import CaptureRecord
from guzheng.proof import canonical
from tests.capturer.reading import read

ROOT = Path(__file__).resolve().parents[2]
EXHIBIT = "ex_" + "0" * 26
LOOPBACK = ("127.0.0.1/32",)


@dataclass(frozen=True)
class Response:
    """One archived response, as an independent reader sees it."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes
    record: dict[str, str]


@dataclass(frozen=True)
class Captured:
    """What the program left behind."""

    exit_status: int
    out: Path
    said: list[dict[str, str]]
    complained: str

    @property
    def record(self) -> CaptureRecord:
        return read((self.out / "capture.json").read_bytes())

    @property
    def sandbox(self) -> str:
        viewer = self.record.viewer
        return viewer.sandbox if viewer else ""

    @property
    def failure(self) -> dict[str, object]:
        return canonical.parse_object((self.out / "failure.json").read_bytes())

    @property
    def environment(self) -> dict[str, object]:
        return canonical.parse_object((self.out / "items/environment.json").read_bytes())

    def responses(self) -> list[Response]:
        found = []
        with (
            zipfile.ZipFile(self.out / "items/page.wacz") as package,
            package.open("archive/data.warc.gz") as stream,
        ):
            for record in ArchiveIterator(stream, check_digests="raise"):
                if record.rec_type == "response":
                    found.append(_response(record))
        return found


def _response(record: object) -> Response:
    body: bytes = record.raw_stream.read()  # type: ignore[attr-defined]
    http = record.http_headers  # type: ignore[attr-defined]
    headers = record.rec_headers  # type: ignore[attr-defined]
    return Response(
        url=headers.get_header("WARC-Target-URI"),
        status=int(http.get_statuscode() if http else body.split()[1]),
        headers={name.lower(): value for name, value in http.headers} if http else {},
        body=body,
        record=dict(headers.headers),
    )


def order_of(url: str, allow: Sequence[str] = LOOPBACK, **more: object) -> bytes:
    return canonical.encode(
        {
            "schema": "guzheng.capture-order/1",
            "exhibit": EXHIBIT,
            "url": url,
            "allow_private": list(allow),
            **more,
        }
    )


def command_for(folder: Path, order: bytes) -> list[str]:
    path = folder / "order.json"
    path.write_bytes(order)
    return [sys.executable, "-m", "guzheng.capturer", str(path), str(folder / "out")]


def capture(
    folder: Path,
    url: str,
    *,
    allow: Sequence[str] = LOOPBACK,
    before: Sequence[str] = (),
    **more: object,
) -> Captured:
    done = subprocess.run(
        [*before, *command_for(folder, order_of(url, allow, **more))],
        capture_output=True,
        timeout=120,
        check=False,
        cwd=ROOT,
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    return Captured(done.returncode, folder / "out", said, done.stderr.decode())


def programs_naming(text: str) -> list[int]:
    """Ids of living programs whose command line holds `text`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
            except OSError:
                continue
            if text in line:
                found.append(int(entry.name))
    return found
