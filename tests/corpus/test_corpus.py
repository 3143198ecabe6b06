"""Captures of real pages, held against what the server says it answered.

The corpus is fetched once (about 150 MB of packages), so this is a campaign of `make soak`.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from guzheng.capturer.exchange import ARCHIVED
from tests.corpus.gather import CORPUS, PAGES, NotGathered, gather
from tests.corpus.heavy import EACH, LAZY, SCROLLS
from tests.corpus.served import Served, serving
from tests.hostile.capturing import Captured, capture

pytestmark = [
    pytest.mark.soak,
    pytest.mark.browser,
    pytest.mark.xdist_group("corpus"),  # one server's log, one capture at a time
]
_HEAVY = "/heavy/index.html"
_BODILESS = {204, 301, 302, 304}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    try:
        with serving(gather(CORPUS), tmp_path_factory.mktemp("corpus")) as one:
            yield one
    except NotGathered as error:
        pytest.skip(str(error))


def _captured(served: Served, address: str, page: str, folder: Path) -> Captured:
    served.forget()
    found = capture(
        folder,
        address + page,
        allow=("127.0.0.1/32", "::1/128"),
        trust_spki=[served.spki],
    )
    assert found.exit_status == 0, (found.said, found.complained)
    assert found.record.observed_status == 200
    return found


def _missing(served: Served, found: Captured) -> list[str]:
    """Addresses the server answered that the record does not name."""
    named = {one.url for one in found.record.requests}
    return sorted({one.url for one in served.seen()} - {_as_http(url) for url in named})


def _as_http(url: str) -> str:
    return url.replace("ws", "http", 1) if url.startswith("ws") else url


@pytest.mark.parametrize("way", ["http", "https", "h2"])
def test_nothing_of_the_heavy_page_is_lost_unsaid(
    served: Served, way: str, tmp_path: Path
) -> None:
    found = _captured(served, getattr(served, way), _HEAVY, tmp_path)
    assert _missing(served, found) == []
    unsaid = [
        (one.method, one.url, one.outcome)
        for one in found.record.requests
        if one.outcome not in ARCHIVED and not one.why
    ]
    assert unsaid == []
    pictures = {urlsplit(one.url).path for one in served.seen() if one.url.endswith(".jpg")}
    assert len(pictures & {f"/heavy/picture-{n}.jpg" for n in range(LAZY)}) == LAZY
    scrolled = {f"/heavy/picture-{LAZY * 2 + n}.jpg" for n in range(SCROLLS * EACH)}
    assert len(pictures & scrolled) >= 0.99 * len(scrolled)
    archived = {(one.url, one.status) for one in found.responses()}
    wanted = {
        (one.url, one.status)
        for one in served.seen()
        if one.method == "GET" and one.status not in _BODILESS | {101}
    }
    lost = {one for one in wanted - archived if "/dyn/large" not in one[0]}
    assert lost == set()


@pytest.mark.parametrize("page", PAGES)
def test_real_pages_are_recorded_whole(served: Served, page: str, tmp_path: Path) -> None:
    found = _captured(served, served.h2, page, tmp_path)
    assert _missing(served, found) == []
    archived = {(one.url, one.status) for one in found.responses()}
    assert {(one.url, one.status) for one in served.seen() if one.status == 200} <= archived
