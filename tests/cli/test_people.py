"""The operator's commands about persons, as programs, and the link at the first start."""

import re
from pathlib import Path

from tests import plain
from tests.ports import free_port
from tests.road.programs import answering, lines, ran, running

ON = {
    "GUZHENG_ACCOUNTS": "on",
    "GUZHENG_PASSWORD_MIB": "19",
    "GUZHENG_PASSWORD_PASSES": "2",
    "PYTHONUNBUFFERED": "1",
}
PASSWORD = "a long enough sentence"


def link_of(server: object) -> str:
    """The one that the console shows."""
    errors = getattr(server, "stderr", None)
    assert errors is not None
    for line in errors:
        if found := re.search(r"http\S+/welcome/\S+", line):
            return found[0]
    raise AssertionError("no link was printed")


def test_the_operator_ends_sessions_and_takes_a_lock_off(tmp_path: Path) -> None:
    data, port = tmp_path / "data", free_port()
    address = f"http://127.0.0.1:{port}"
    who = {"address": "op@example.com", "password": PASSWORD}
    with running("serve", "--port", port, "--data", data, **ON) as server:
        link = link_of(server)
        assert link.startswith(f"{address}/welcome/")
        answering(address, server)
        with plain.client(base_url=address, timeout=60) as client:
            assert client.get("/exhibits").headers["location"].startswith("/login")
            chosen = {**who, "name": "运营", "again": PASSWORD}
            assert client.post(link, data=chosen).status_code == 303
            assert client.get(link).status_code == 410
            assert client.get("/exhibits").status_code == 200

            status, out, err = ran(
                "operator", "sign-out", "op@example.com", "--data", data, **ON
            )
            assert (status, "1" in out) == (0, True), err
            assert client.get("/exhibits").status_code == 303, "dead at once"
            for _ in range(5):
                client.post("/login", data={**who, "password": "wrong and wrong"})
            assert client.post("/login", data=who).status_code == 429
            assert ran("operator", "release", "OP@example.com", "--data", data, **ON)[0] == 0
            assert client.post("/login", data=who).status_code == 303
            assert ran("operator", "sign-out", "--everybody", "--data", data, **ON)[0] == 0
            assert client.get("/me").status_code == 303

            more = ran("operator", "link", "--json", "--data", data, **ON)
            (line,) = lines(more[1])
            token = str(line["link"]).rsplit("/", 1)[1]
            assert client.get(f"/welcome/{token}").status_code == 200
    assert ran("operator", "sign-out", "no@example.com", "--data", data, **ON)[0] == 1
    status, _, err = ran("operator", "link", "--data", data)
    assert (status, "accounts.off" in err) == (1, True), "accounts are off"
