"""Service workers, which run beside the page and beyond it: nothing they fetch is lost.

The script of a worker is fetched before the worker is there, and what came of it is told by the
worker itself, if it is listened to by then: with one worker the loss was rare, with thirty on a
busy machine it came in one capture of five.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.hostile.capturing import Captured, capture
from tests.hostile.conftest import Site
from tests.hostile.site import Log, Traps, serving

pytestmark = pytest.mark.browser
WORKERS = 30
ALLOWED = ("127.0.0.0/8", "::1/128")
_MANY = f"""<!doctype html><title>many</title><p>many workers<script>
for (let n = 0; n < {WORKERS}; n++)
  navigator.serviceWorker.register('/worker/' + n + '.js', {{scope: '/scope/' + n + '/'}});
</script>"""
# It goes to another site as soon as its worker runs, which has only begun by then.
_LEAVES = """<!doctype html><title>leaves</title><p>goes elsewhere<script>
navigator.serviceWorker.onmessage = () => { location.href = '@stranger@/arrived' };
navigator.serviceWorker.register('/lingers.js');
</script>"""
_LINGERS = """oninstall = event => event.waitUntil((async () => {
  for (const one of await clients.matchAll({includeUncontrolled: true})) one.postMessage('go');
  for (let n = 0; n < 8; n++) {
    await new Promise(done => setTimeout(done, 100));
    await (await fetch('/after/' + n)).text();
  }
})())"""


class Workers(Traps):
    """Answers whatever the pages and workers above ask for."""

    def __init__(self, *arguments: object, log: Log, stranger: str) -> None:
        self.stranger = stranger
        super().__init__(*arguments, log=log)

    def answer(self) -> None:
        path = self.path.partition("?")[0]
        html = {"content-type": "text/html"}
        script = {"content-type": "text/javascript", "service-worker-allowed": "/"}
        if path == "/many":
            self.send(200, html, _MANY.encode())
        elif path == "/leaves":
            self.send(200, html, _LEAVES.replace("@stranger@", self.stranger).encode())
        elif path == "/arrived":
            self.send(200, html, b"<!doctype html><title>arrived</title><p>here")
        elif path == "/lingers.js":
            self.send(200, script, _LINGERS.encode())
        elif path.startswith("/worker/"):
            number = path.removeprefix("/worker/").removesuffix(".js")
            body = f"importScripts('/part/{number}.js'); oninstall = event =>"
            body += f" event.waitUntil(fetch('/from/{number}').then(one => one.text()))"
            self.send(200, script, body.encode())
        elif path.startswith("/part/"):
            self.send(200, script, b"self.part = 1")
        else:
            self.send(200, {"content-type": "text/plain"}, path.encode())


@pytest.fixture
def sites() -> Iterator[tuple[Site, Site]]:
    """The page's site by address, the stranger's by name."""
    logs = Log(), Log()
    with serving(partial(Workers, log=logs[1], stranger="")) as other:
        stranger = other.replace("127.0.0.1", "localhost")
        with serving(partial(Workers, log=logs[0], stranger=stranger)) as address:
            yield Site(address, logs[0]), Site(stranger, logs[1])


def _served(*sites: Site) -> Counter[tuple[str, str, int]]:
    return Counter(
        (method, site.address + path, status)
        for site in sites
        for method, path, status in site.log.seen
    )


def _recorded(captured: Captured, *outcomes: str) -> Counter[tuple[str, str, int]]:
    return Counter(
        (one.method, one.url, one.status or 0)
        for one in captured.record.requests
        if one.outcome in outcomes
    )


def test_all_of_many_workers_is_recorded(sites: tuple[Site, Site], tmp_path: Path) -> None:
    site, _ = sites
    captured = capture(tmp_path, f"{site.address}/many")
    assert captured.exit_status == 0, captured.failure
    paths = Counter(path.split("/")[1] for _, path, _ in site.log.seen)
    assert [paths[one] for one in ("worker", "part", "from")] == [WORKERS] * 3
    assert _served(site) == _recorded(captured, "recorded")  # and nothing is told twice
    record = captured.record
    assert record.completeness is not None
    assert record.completeness.missing == ()


def test_a_worker_is_heard_when_its_page_has_gone_elsewhere(
    sites: tuple[Site, Site], tmp_path: Path
) -> None:
    """The browser drops what it held of the page; of what was just on its way the transcript
    has the octets, and the record names each that it lacks."""
    captured = capture(tmp_path, f"{sites[0].address}/leaves", allow=ALLOWED)
    assert captured.exit_status == 0, captured.failure
    record = captured.record
    assert record.observed_title == "arrived"
    assert any(path == "/after/7" for _, path, _ in sites[0].log.seen)
    recorded = _recorded(captured, "recorded", "recorded-without-body")
    assert recorded - _served(*sites) == Counter()
    unheard = _served(*sites) - recorded
    bodiless = _recorded(captured, "recorded-without-body")
    assert (unheard + bodiless).total() <= 4, "of fifteen, on the busiest machine"
    assert record.completeness is not None
    named = {one.url: one.why for one in record.completeness.missing}
    assert named.keys() == {url for _, url, _ in unheard + bodiless}
    assert all(named[url] == "body-only-on-wire" for _, url, _ in bodiless)
