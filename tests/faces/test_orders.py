"""Orders on the pages: two captures of one page watched, looked at, compared, decided."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

import pytest

from guzheng.app import Platform
from guzheng.app.wishes import CommissionView
from guzheng.config import Config
from guzheng.proof.capture import CaptureRecord
from guzheng.store.blobs import read
from guzheng.web import create_app
from guzheng.web.orders import steps_of
from tests.faces.browser import Browser
from tests.faces.conftest import Face, serving
from tests.world import _served

pytestmark = pytest.mark.browser

WAIT_SECONDS = 120.0


@dataclass(frozen=True)
class Orders:
    """A face whose queue runs, and a site that says something else each time."""

    face: Face
    platform: Platform
    site: str

    def post(self, path: str, **fields: str) -> str:
        answer = self.face.client.post(path, data=fields)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    def text(self, path: str) -> str:
        answer = self.face.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def wait(self, order: str, done: Callable[[CommissionView], bool]) -> CommissionView:
        deadline = time.monotonic() + WAIT_SECONDS
        while not done(view := self.platform.ordering.view(order.removeprefix("/orders/"))):
            assert time.monotonic() < deadline, view
            time.sleep(0.1)
        return view


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orders]:
    seen: list[str] = []

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/slow":
                time.sleep(20)
            seen.append(self.path)
            count = seen.count(self.path)
            body = f"<!doctype html><title>价格</title><p>价格 {count} 元</p><p>同样的话</p>"
            if self.path == "/frame":
                body = f"<!doctype html><p>框 {count}</p>"
            else:
                body += "<iframe src='/frame'></iframe>"
            if self.path == "/login":
                body = "<!doctype html><title>登录</title><h1>请登录</h1><form>"
                body += "<input name=user><input type=password><button>登录</button></form>"
            octets = body.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, format: str, *arguments: object) -> None:
            del format, arguments

    config = Config(
        tmp_path_factory.mktemp("orders"),
        allow_private=("127.0.0.1/32",),
        vantages=("杭州 direct", "北京 bind 127.0.0.1", "远方 elsewhere"),
    )
    platform = Platform(config)
    with (
        _served(Door) as site,
        serving(create_app(platform)) as face,
        platform.jobs.running(),
    ):
        yield Orders(face, platform, site)
        platform.interrupt()


@pytest.fixture(scope="module")
def captured(orders: Orders) -> CommissionView:
    """One page from two vantage points, sealed, and not decided."""
    token = re.search(r'name="token" value="(or_\w+)"', orders.text("/"))
    assert token is not None
    boxes = {"vantage.杭州": "1", "vantage.北京": "1", "option.video": "1"}
    fields = {"url": f"{orders.site}/", "token": token[1], **boxes}
    order = orders.post("/captures", **fields)
    assert orders.post("/captures", **fields) == order, "sent twice, ordered once"
    first = orders.wait(order, lambda one: one.exhibit_state == "certified")
    for other in orders.platform.ordering.together(first):
        number = other.commission.commission
        orders.wait(number, lambda one: one.exhibit_state == "certified")
    return orders.platform.ordering.view(first.commission.commission)


def test_an_order_is_looked_at_and_confirmed(orders: Orders, captured: CommissionView) -> None:
    exhibit, number = captured.commission.exhibit, captured.commission.commission
    address, package = f"/orders/{number}", f"/exhibits/{exhibit}/package.zip"
    assert captured.state == "previewable"
    record = CaptureRecord.parse(
        read(orders.platform.blobs, f"exhibits/{exhibit}/capture.json")
    )
    assert record.fields["options"] == ["video"]
    assert "items/act.mkv" in {one.name for one in orders.platform.exhibit(exhibit).papers}
    for language, state in (("zh", "待确认"), ("en", "To be decided")):
        page = orders.text(f"{address}?lang={language}")
        assert state in page
        assert f"{address}/give-up" in page
    assert orders.face.client.get(f"/exhibits/{exhibit}/preview").status_code == 200
    assert orders.face.client.get(package).status_code == 409
    assert package not in orders.text(f"/exhibits/{exhibit}?lang=zh")
    for _ in range(2):
        assert orders.post(f"{address}/confirm") == address
    assert orders.face.client.get(package).status_code == 200
    other = orders.platform.ordering.together(captured)[1].commission
    orders.post(f"/orders/{other.commission}/give-up")
    assert "已放弃" in orders.text("/exhibits?lang=zh")
    late = orders.face.client.post(f"{address}/give-up")
    assert late.status_code == 409
    assert "已有定论" in late.text


def test_what_differs_between_two_places(orders: Orders, captured: CommissionView) -> None:
    one, other = (
        view.commission.exhibit for view in orders.platform.ordering.together(captured)
    )
    report = json.loads(orders.text(f"/compare/{one}/{other}.json"))
    assert report["differing"] == ["text", "frames", "resources", "picture"]
    assert [side["vantage"] for side in report["sides"]] == ["杭州", "北京"]
    text = next(each for each in report["aspects"] if each["aspect"] == "text")
    assert (text["removed"], text["added"]) == (1, 1)
    assert " 同样的话" not in [line for line in text["difference"] if line[0] in "+-"]
    picture = next(each for each in report["aspects"] if each["aspect"] == "picture")
    assert 0 < picture["differing_pixels"] < picture["compared_pixels"]
    for language, said in (("zh", "不同之处"), ("en", "Differing")):
        shown = orders.text(f"/compare/{one}/{other}?lang={language}")
        assert said in shown
        assert f"≠ {orders.site}/frame<" in shown


def test_whoever_decides_is_told_first_that_it_may_not_be_the_page(
    orders: Orders, captured: CommissionView
) -> None:
    """On the order itself, in every list of orders, and to programs: he may give it up."""
    assert captured.warnings == ()
    assert "warnings" not in captured.value()
    assert 'id="warnings"' not in orders.text(f"/orders/{captured.commission.commission}")
    order = orders.post("/captures", url=f"{orders.site}/login")
    view = orders.wait(order, lambda one: one.state == "previewable")
    assert view.value()["warnings"] == "scope.login-wall"
    shown = orders.text(f"{order}?lang=zh")
    said = "本次取证得到的是登录页面"
    assert shown.index(said) < shown.index('id="confirm"')
    assert "所得可能不是您要的网页" in orders.text("/orders?lang=zh")
    assert "不会自动确认" in shown
    assert "到此时自动确认" not in shown
    orders.post(f"{order}/give-up")
    assert said in orders.text(f"{order}?lang=zh")


def test_one_under_way_is_stopped_and_says_so(orders: Orders) -> None:
    order = orders.post("/captures", url=f"{orders.site}/slow")
    view = orders.wait(order, lambda one: one.state == "capturing")
    exhibit = view.commission.exhibit

    def is_opening(_view: CommissionView) -> bool:
        said = orders.platform.exhibit(exhibit).progress
        return any(one["step"] == "page.opening" for one in said)

    orders.wait(order, is_opening)
    orders.post(f"{order}/cancel")
    view = orders.wait(order, lambda one: one.state == "cancelled")
    assert view.reason is not None
    assert view.reason.code == "capture.stopped"
    attempt = json.loads(read(orders.platform.blobs, f"exhibits/{exhibit}/attempt.json"))
    assert attempt["failure"]["code"] == "capture.stopped"
    assert attempt["steps"], "what it had done until then"
    steps = [(one["name"], one["progress"]) for one in steps_of(view)]
    assert steps == [
        ("ordered", "done"),
        ("capturing", "stopped"),
        ("previewable", "skipped"),
        ("decided", "skipped"),
    ]
    assert "没有图像。" in orders.text(f"{order}?lang=zh")


def test_the_pages_are_whole_in_a_browser(
    browser: Browser, orders: Orders, captured: CommissionView
) -> None:
    page = browser.page()
    schedule = orders.post(
        f"/orders/{captured.commission.commission}/repeat",
        every="daily",
        first="2099-01-01T09:00",
    )
    orders.post(f"{schedule}/pause")
    views = orders.platform.ordering.together(captured)
    compared = "/".join(view.commission.exhibit for view in views)
    for path in (
        "/orders",
        f"/orders/{captured.commission.commission}",
        "/batches",
        "/schedules",
        schedule,
        f"/compare/{compared}",
    ):
        for width, phone in ((1280, False), (390, True)):
            page.size(width, 900, phone=phone)
            page.open(orders.face.address + path)
            wide = page.run("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, (path, width, wide)
            assert page.run("document.querySelectorAll('main').length") == 1
    assert page.complaints == []
    page.close()


def test_programs_order_and_decide(orders: Orders) -> None:
    client = orders.face.client
    options = ["video", "dismiss-banner"]
    asked = {"url": "https://example.org/", "vantages": ["远方"], "options": options}
    answer = client.post("/api/orders", json=asked)
    assert answer.status_code == 201, answer.text
    (made,) = answer.json()["orders"]
    assert made["options"] == "dismiss-banner video"
    assert orders.platform.road.order(made["exhibit"]).options == ("dismiss-banner", "video")
    unknown = client.post("/api/orders", json={"url": "https://a/", "options": ["run"]})
    assert unknown.json()["code"] == "capture.no-such-option"
    assert answer.headers["location"] == f"/api/orders/{made['order']}"
    assert client.get(answer.headers["location"]).json() == made
    assert client.get("/api/orders", params={"limit": 1}).json()["orders"] == [made]
    early = client.post(f"/api/orders/{made['order']}/confirm")
    assert (early.status_code, early.json()["code"]) == (409, "commission.not-now")
    for _ in range(2):
        ended = client.post(f"/api/orders/{made['order']}/cancel").json()
        assert (ended["state"], ended["code"]) == ("cancelled", "commission.cancelled")
    for body in (b"[]", b'{"url": 1}', b'{"url": "https://a/", "x": ""}', b"["):
        assert client.post("/api/orders", content=body).status_code in {400, 422}
    assert client.post("/api/orders", json={"url": "ftp://x/"}).status_code == 422
    lone = b'{"url": "https://a/\\ud800"}'
    assert client.post("/api/orders", content=lone).status_code == 422
    for address in ("/api/orders/or_x", "/orders/%00", "/batches/x", "/schedules/%ff"):
        assert client.get(address).status_code == 404, address


def test_a_table_is_refused_line_by_line(orders: Orders) -> None:
    sheet = "网址,名称\nhttp://192.0.2.1:1/,=1+1\nftp://x/,乙\n".encode("gb18030")
    files = {"file": ("表.csv", sheet, "text/csv")}
    refused = orders.face.client.post("/batches?lang=zh", files=files)
    assert refused.status_code == 422
    assert "第 3 行" in refused.text
    far = {"skip_bad": "1", "vantage.远方": "1"}  # nobody takes it: it can only be cancelled
    answer = orders.face.client.post("/batches", data=far, files=files)
    batch = answer.headers["location"]
    assert "跳过的行" in orders.text(f"{batch}?lang=zh")
    (view,) = orders.platform.ordering.batch(batch.removeprefix("/batches/")).views
    orders.post(f"/orders/{view.commission.commission}/cancel")
    result = orders.face.client.get(f"{batch}/result.csv").content.decode("utf-8-sig")
    assert '"\'=1+1"' in result
    assert "已取消" in result
