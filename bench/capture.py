"""What a full record costs, as ratios to the same browser that only looks; prints JSON.

Pages of the corpus (`python -m tests.corpus.gather`) over HTTP/2, modes interleaved. `settled`:
from the navigation to the page at rest, scrolled to its end; `wall`: the whole program;
`sealed`: from the order to a sealed package. Peers run once on the heavy page where they are
found in `.corpus/peers` (npm install single-file-cli; pip install brozzler warcprox in `venv`).
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from guzheng.app import Platform
from guzheng.config import Config
from tests.corpus.gather import CORPUS, gather
from tests.corpus.served import Served, serving
from tests.hostile.capturing import Captured, capture

ROUNDS = int(os.environ.get("ROUNDS", "3"))
HEAVY = "/heavy/index.html"
PAGES = (
    HEAVY,
    "/pydoc/library/asyncio.html",
    "/npm/startbootstrap-agency/dist/index.html",
    "/npm/startbootstrap-shop-item/dist/index.html",
)
LOOPBACK = ("127.0.0.1/32", "::1/128")
PEERS = CORPUS / "peers"
Figures = dict[str, float]


def plain(served: Served, page: str) -> Figures:
    run = [sys.executable, "-m", "bench.plain_visit", served.h2 + page, served.spki]
    done = subprocess.run(run, capture_output=True, check=True)
    found: Figures = json.loads(done.stdout)
    return found


def captured(served: Served, page: str) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        served.forget()
        began = time.monotonic()
        one = capture(Path(folder), served.h2 + page, allow=LOOPBACK, trust_spki=[served.spki])
        wall = round((time.monotonic() - began) * 1000)
        if one.exit_status:
            raise SystemExit(f"{page}: {one.failure}")
        at = {step.step: step.at_milliseconds for step in one.record.steps}
        return {
            "settled": at["page.at-rest"] - at["page.opening"],
            "wall": wall,
            "requests": len(one.record.requests),
            "named": _named(served, one),
            "peak_megabytes": _peak(one),
        }


def _named(served: Served, one: Captured) -> float:
    """The share of what the server answered that the record names."""
    named = {each.url.replace("wss:", "https:") for each in one.record.requests}
    wanted = {each.url for each in served.seen()}
    return round(len(wanted & named) / len(wanted), 4)


def _peak(one: Captured) -> float:
    limits = one.environment.get("limits")
    peak = limits.get("memory_peak_octets") if isinstance(limits, dict) else None
    return round(peak / 1e6) if isinstance(peak, int) else 0


def sealed(served: Served, page: str) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(
            Config(
                Path(folder) / "data",
                allow_private=LOOPBACK,
                capture_trust_spki=(served.spki,),
            )
        )
        began = time.monotonic()
        exhibit = platform.order_capture(served.h2 + page)
        state = platform.walk(exhibit, lambda _step, _detail: None)
        platform.write_package([exhibit], Path(folder) / "package")
        found: Figures = {"sealed": round((time.monotonic() - began) * 1000)}
        if state != "certified":
            raise SystemExit(f"{page}: {state}")
        return found


def peers(served: Served) -> Figures:
    """Seconds of the wall for the heavy page, once each; what is not here is left out."""
    url = served.http + HEAVY
    found: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, run in (
            ("chromium --screenshot", partial(_screenshot, url, folder)),
            ("single-file", partial(_single_file, url, folder)),
            ("brozzler+warcprox", partial(_brozzler, url, folder)),
        ):
            began = time.monotonic()
            try:
                run()
            except (OSError, subprocess.SubprocessError) as error:
                sys.stderr.write(f"{name}: {str(error)[:300]}\n")
                continue
            found[name] = round(time.monotonic() - began, 1)
    return found


def _screenshot(url: str, folder: str) -> None:
    _run("chromium", "--headless", "--no-sandbox", f"--screenshot={folder}/a.png", url)


def _single_file(url: str, folder: str) -> None:
    _run(
        str(PEERS / "node_modules/.bin/single-file"),
        "--browser-executable-path=/usr/bin/chromium",
        "--browser-arg=--no-sandbox",
        url,
        f"{folder}/a.html",
    )


def _brozzler(url: str, folder: str) -> None:
    bin_ = PEERS / "venv/bin"
    port = "18999"
    proxy = subprocess.Popen(
        [bin_ / "warcprox", "-p", port, "-d", folder, "-z", "-q"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(3)
        _run(
            str(bin_ / "brozzle-page"),
            "-e",
            str(shutil.which("chromium")),
            f"--proxy=127.0.0.1:{port}",
            "--skip-youtube-dl",
            "-q",
            url,
        )
    finally:
        proxy.terminate()
        proxy.wait(60)


def _run(*command: str) -> None:
    # Peers run as whoever measures; as root their Chromium knows no sandbox. Ours keeps it.
    bare = os.environ | {"BROZZLER_EXTRA_CHROME_ARGS": "--no-sandbox"}
    subprocess.run(command, check=True, capture_output=True, timeout=200, env=bare)


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(gather(CORPUS), Path(folder) / "server") as served,
    ):
        for page in PAGES:
            print(json.dumps(_compared(served, page)), flush=True)
        print(json.dumps({"figure": "peers, heavy page, seconds", **peers(served)}))


def _compared(served: Served, page: str) -> dict[str, object]:
    modes: tuple[Callable[[Served, str], Figures], ...] = (plain, captured, sealed)
    runs: list[Figures] = []
    for _ in range(ROUNDS):
        one: Figures = {}
        for mode in modes:
            one |= {
                f"{mode.__name__}_{name}": value for name, value in mode(served, page).items()
            }
        runs.append(one)
    middle = {name: statistics.median(one[name] for one in runs) for name in runs[0]}
    return {
        "page": page,
        "settled_ratio": _ratio(runs, "captured_settled", "plain_settled"),
        "sealed_ratio": _ratio(runs, "sealed_sealed", "plain_wall"),
        **middle,
    }


def _ratio(runs: list[Figures], one: str, other: str) -> float:
    """Of pairs that ran next to each other."""
    return round(statistics.median(each[one] / each[other] for each in runs), 2)


if __name__ == "__main__":
    main()
