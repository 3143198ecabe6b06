"""Facts, papers and keys for the tests of station certify: real keys, a real authority."""

import secrets
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509

from guzheng import fix
from guzheng.certify import DocumentSigner, Press, certify, find_face, packaged_face
from guzheng.proof import canonical, chain
from guzheng.proof.digest import sha256, sm3

SIGNED_AT = datetime(2026, 11, 21, 10, 44, 13, 123456, tzinfo=UTC)
URL = "https://verify.example.cn"
NUMBER = "GZ-20261121-7K3QF0Z9XW"

Facts = dict[str, object]


def item(name: str, *, size: int = 128_417_121, media_type: str = "video/mp4") -> Facts:
    octets = name.encode()
    return {
        "name": name,
        "role": "original",
        "media_type": media_type,
        "size": size,
        "digests": [str(sha256(octets)), str(sm3(octets))],
    }


CAPTURE: Facts = {
    "requested_url": "https://shop.example.cn/offer/716283940.html?spm=a2615.2177701",
    "final_url": "https://shop.example.cn/offer/716283940.html",
    "observed_title": "厂家直销 不锈钢保温杯",
    "observed_status": 200,
    "observed_started_at": "2026-11-21T10:43:31.004Z",
    "observed_finished_at": "2026-11-21T10:44:02.733Z",
    "browser": "Chromium 156.0.7204.49",
    "software": "guzheng-capturer 0.1.0",
    "private_addresses_allowed": [],
    "sandbox": "chromium",
    "notes": [],
    "scope": [],
}
PAGE = [item(name) for name in ("page.wacz", "page.png", "page.pdf", "dom.html", "env.json")]


def facts(kind: str = "deposit", **changed: object) -> Facts:
    whole: Facts = {
        "schema": "guzheng.certificate/1",
        "number": NUMBER,
        "exhibit": "ex_01KAKJ3M5R8VXW2T9Q4Z7N6B0C",
        "kind": kind,
        "claimed_name": "XX商家_虚假宣传_20261121",
        "observed_at": "2026-11-21T10:44:09.512Z",
        "items": PAGE if kind == "web" else [item("XX商家_虚假宣传_20261121.mp4")],
        "manifest_digests": [str(sha256(b"manifest")), str(sm3(b"manifest"))],
        "seal": {
            "attested_at": "2026-11-21T10:44:12.038Z",
            "accuracy_milliseconds": 1000,
            "authority": "CN=固证本地时间戳机构 Guzheng local TSA,O=某某公司",
            "policy": fix.LOCAL_POLICY_OID,
            "serial": "1a9c3d0f2b44e6f9c8a7766554433221f",
        },
        "entry": {
            "origin": "log.example.cn/guzheng",
            "index": 4711,
            "size": 20418,
            "root": "jA/7m3o0k1eVtC0pVf1b2Yc0cYbG8o3Xo2iE5uQhE0Y=",
            "witnesses": [],
        },
    }
    if kind == "web":
        whole["capture"] = CAPTURE
    return whole | changed


def papers(given: Mapping[str, object]) -> dict[str, bytes]:
    """Papers with every kind of octet in them; the certificate attaches, it does not read."""
    items = given["items"]
    assert isinstance(items, list)
    return {
        "manifest.json": b'{"schema":"guzheng.manifest/1"}',
        "certificate.json": canonical.encode(dict(given)),
        "seal.tsa": bytes(range(256)) * 8,
        "leaf": b"guzheng/leaf/v1\n" + b"\0\xff" * 16,
        "entry.tlog-proof": "c2sp.org/tlog-proof@v1\nindex 4711\n— 固证\n".encode(),
        **{f"tokens/{one['name']}.tsa": b"token of " + one["name"].encode() for one in items},
        **({"capture.json": b"{}"} if "capture" in given else {}),
    }


@cache
def keys() -> fix.Keys:
    folder = Path(tempfile.mkdtemp(prefix="guzheng-certify-test-")) / "keys"
    return fix.load_or_make(
        folder,
        operator="某某公司",
        now=lambda: SIGNED_AT - timedelta(days=1),
        entropy=secrets.token_bytes,
    )


@cache
def roots() -> tuple[x509.Certificate, ...]:
    return chain.parse_pem_roots(fix.roots_pem(keys()))


@cache
def signer() -> DocumentSigner:
    authority = fix.local_authority(keys(), now=lambda: SIGNED_AT, entropy=secrets.token_bytes)
    return DocumentSigner(keys().signer_key, keys().signer_der, authority.respond)


@cache
def press(fonts: str) -> Press:
    return Press(find_face() if fonts == "found" else packaged_face())


@cache
def certificate(kind: str = "deposit") -> bytes:
    """One signed certificate per kind, made once: signing is not what most tests are about."""
    given = facts(kind)
    return certify(given, papers(given), signer(), signed_at=SIGNED_AT, public_url=URL)
