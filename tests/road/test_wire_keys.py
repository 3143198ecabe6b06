"""A capture over TLS on the road: the sealed keys are an item, their password is not."""

import zipfile
from functools import partial
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.config import load
from guzheng.intake import wirekeys
from guzheng.proof.capture import CaptureRecord
from guzheng.proof.digest import sha256
from guzheng.store.blobs import read
from guzheng.transcript.sealedkeys import opened
from tests.hostile.certificates import make_site
from tests.hostile.site import Log, Traps, serving
from tests.road.deaths import silent

pytestmark = pytest.mark.browser


def test_the_password_stays_with_the_platform_and_opens_the_keys(tmp_path: Path) -> None:
    site, data = make_site(tmp_path), tmp_path / "data"
    environment = {
        "GUZHENG_ALLOW_PRIVATE": "127.0.0.1/32",
        "GUZHENG_CAPTURES_WAITING": "0",
        "GUZHENG_CAPTURE_TRUST_SPKI": site.spki,
    }
    with serving(partial(Traps, log=Log()), tls=site.context) as address:
        platform = Platform(load(data, environment=environment))
        exhibit = platform.order_capture(address)
        platform.walk(exhibit, silent)
    place = f"exhibits/{exhibit}/"
    sealed = read(platform.blobs, f"{place}items/tls-keys.enc")
    record = CaptureRecord.parse(read(platform.blobs, f"{place}capture.json"))
    password = wirekeys.find(data / "keys/captures", exhibit)
    assert password is not None
    clear = opened(sealed, password)
    assert clear.startswith((b"CLIENT_", b"SERVER_", b"EXPORTER_"))
    keys = record.fields["tls_keys"]
    assert isinstance(keys, dict)
    assert (keys["clear"], keys["sealed"]) == (str(sha256(clear)), str(sha256(sealed)))
    package = tmp_path / "package.zip"
    platform.write_package([exhibit], package)
    with zipfile.ZipFile(package) as archive:
        names = archive.namelist()
        assert any(name.endswith("items/transcript.zip") for name in names)
        assert not any(password in archive.read(name) for name in names)
    assert not any(path.name == wirekeys.KEY for path in data.rglob("*"))
