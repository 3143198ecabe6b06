"""Signed certificates a second: one process, two at once, and typst used plainly beside them.

`PYTHONPATH=. .venv/bin/python bench/certificates.py` (COUNT from the environment); prints JSON.
Every certificate is of other facts (number, exhibit, file, digests, index), is PDF/A-3a with
its papers attached, signed with P-256 and timestamped by an authority in the process. The
peer is `typst.compile` as its documentation shows it: the same page and papers, not signed, a
compiler of its own each time. Goal: 30 a second on two cores. Where others work on the same
machine, trust the seconds of processor time.
"""

import json
import multiprocessing
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final

import typst

from guzheng.certify import Press, certify, find_face
from guzheng.certify.document import Circumstances, code_of, document_of
from guzheng.certify.fonts import Face
from guzheng.certify.pen import Printed
from guzheng.certify.press import STANDARD
from guzheng.proof import canonical
from tests.stations import certify_cases as cases

COUNT: Final = int(os.environ.get("COUNT", "150"))
WARM: Final = 5
PEER: Final = 10
KIND: Final = os.environ.get("KIND", "deposit")


def facts(number: int) -> cases.Facts:
    entry = {
        "origin": "log.example.cn/guzheng",
        "index": number,
        "size": number + 1,
        "root": "jA/7m3o0k1eVtC0pVf1b2Yc0cYbG8o3Xo2iE5uQhE0Y=",
        "witnesses": [],
    }
    return cases.facts(
        KIND,
        number=f"GZ-20261121-{number:010d}",
        exhibit=f"ex_01KAKJ3M5R8VXW2T{number:010d}",
        claimed_name=f"证据 {number}",
        items=[
            cases.item(f"照片 {number}-{one}.jpg") for one in range(5 if KIND == "web" else 1)
        ],
        entry=entry,
    )


def made(first: int) -> tuple[float, float]:
    """Seconds, and seconds of processor time, for COUNT certificates."""
    signer = cases.signer()

    def one(number: int) -> None:
        given = facts(number)
        papers = cases.papers(given)
        certify(given, papers, signer, signed_at=cases.SIGNED_AT, public_url=cases.URL)

    for number in range(WARM):
        one(first + number)
    began, busy = time.perf_counter(), time.process_time()
    for number in range(COUNT):
        one(first + WARM + number)
    return time.perf_counter() - began, time.process_time() - busy


class Plain(Press):
    """The peer: what the press does, with a compiler of its own each time."""

    def __init__(self, face: Face) -> None:
        super().__init__(face)
        self.spent: list[float] = []

    def _compiled(
        self, template: bytes, document: Printed, folder: Path, dated: datetime
    ) -> bytes:
        pages = folder / "certificate.typ"
        pages.write_bytes(template)
        (folder / "document.json").write_bytes(canonical.encode(document))
        began = time.process_time()
        printed = typst.compile(
            pages,
            root=folder,
            font_paths=[self.face.folder],
            ignore_system_fonts=True,
            format="pdf",
            pdf_standards=[STANDARD],
            timestamp=dated,
        )
        self.spent.append(time.process_time() - began)
        return printed


def plain() -> float:
    """Processor time of one certificate, unsigned."""
    press = Plain(find_face())
    for number in range(PEER):
        given = facts(number)
        papers = cases.papers(given)
        circumstances = Circumstances(press.face.drawn, "CN=x", tuple(papers), cases.URL)
        document = document_of(given, circumstances)
        code = code_of(given, circumstances)
        press.print(document, code, papers, dated_at=cases.SIGNED_AT)
    return statistics.median(press.spent)


def main() -> None:
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, fresh) as pool:
        wall, busy = pool.submit(made, 1_000_000).result()
    with ProcessPoolExecutor(2, fresh) as pool:
        both = list(pool.map(made, (2_000_000, 3_000_000)))
    with ProcessPoolExecutor(1, fresh) as pool:
        peer = pool.submit(plain).result()
    two = sum(COUNT / seconds for seconds, _ in both)
    figures = {
        "figure": f"signed certificates, {KIND}",
        "one_process_a_second": round(COUNT / wall, 1),
        "two_processes_a_second": round(two, 1),
        "processor_milliseconds_each": round(1000 * busy / COUNT, 1),
        "processor_milliseconds_each_of_two": round(
            1000 * sum(one for _, one in both) / COUNT / 2, 1
        ),
        "typst_plain_processor_milliseconds": round(1000 * peer, 1),
        "goal": "30 a second on two cores",
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
