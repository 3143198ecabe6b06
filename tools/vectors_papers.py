"""The cases of tests/vectors/{canonical,digest,manifest,leaf}; see tools/vectors.py."""

import hashlib
import json

from cryptography.hazmat.primitives import hashes

Case = dict[str, object]


def _octets(text: str | bytes) -> str:
    return (text.encode() if isinstance(text, str) else text).hex()


# ---- canonical JSON: RFC 8785, and the test data that its author publishes

_ACCEPTED = {
    # RFC 8785 §3.2.2 without its numbers; testdata/output of cyberphone/json-canonicalization.
    "rfc8785-literals-and-escapes": (
        '{"literals":[null,true,false],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    ),
    # RFC 8785 §3.2.3: keys in the order of UTF-16 code units.
    "rfc8785-sorting": (
        '{"\\r":"Carriage Return","1":"One","\x80":"Control",'
        '"ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign",'
        '"😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}'
    ),
    "cyberphone-weird": (
        '{"1":"One","</script>":"Browser Challenge","\x80":"Control\x7f",'
        '"ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😂":"Smiley",'
        '"\ufb33":"Hebrew Letter Dalet With Dagesh"}'
    ),
    "cyberphone-french": (
        '{"peach":"This sorting order","péché":"is wrong according to French",'
        '"pêche":"but canonicalization MUST","sin":"ingnore locale"}'
    ),
    "cyberphone-structures": (
        '{"":"empty","1":{"\\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{}],"A":{},"a":{}}'
    ),
    "cyberphone-arrays": '[56,{"1":[],"10":null,"d":true}]',
    "cyberphone-unicode": '{"Unnormalized Unicode":"A\u030a"}',
    "every-short-escape": '"\\b\\t\\n\\f\\r\\"\\\\"',
    "other-controls": '"\\u0000\\u0001\\u000b\\u000e\\u001f"',
    "delete-and-line-separators-stand": '"\x7f\u2028\u2029"',
    "largest-integer": "9007199254740991",
    "smallest-integer": "-9007199254740991",
    "zero": "0",
    "empty-object": "{}",
    "sixteen-levels": "[" * 15 + "0" + "]" * 15,
}
_REFUSED = {
    # RFC 8785 §3.2.2.3 and its appendix B: numbers that our papers do not use.
    "rfc8785-fraction": ("4.5", "canonical.fraction"),
    "rfc8785-exponent": ("1e+30", "canonical.fraction"),
    "rfc8785-small": ("1e-27", "canonical.fraction"),
    "rfc8785-appendix-b-max": ("1.7976931348623157e+308", "canonical.fraction"),
    "rfc8785-appendix-b-2-to-53": ("9007199254740992", "canonical.integer-range"),
    "rfc8785-appendix-b-minus-2-to-53": ("-9007199254740992", "canonical.integer-range"),
    "rfc8785-appendix-b-2-to-68": ("295147905179352830000", "canonical.integer-range"),
    "rfc8785-appendix-b-minus-zero": ("-0", "canonical.other-spelling"),
    "rfc8785-nan": ("NaN", "canonical.fraction"),
    "rfc8785-infinity": ("-Infinity", "canonical.fraction"),
    # RFC 8785 §3.2.2.2: a lone surrogate ends in an error.
    "rfc8785-lone-surrogate": ('"\\udead"', "canonical.surrogate"),
    "lone-surrogate-in-a-key": ('{"\\ud800":1}', "canonical.surrogate"),
    "cyberphone-structures-as-written": (
        '{\n  "1": {"f": {"f": "hi","F": 5} ,"\\n": 56.0},\n  "10": { }\n}',
        "canonical.fraction",
    ),
    "blank-after-colon": ('{"a": 1}', "canonical.other-spelling"),
    "blank-at-the-end": ("{} ", "canonical.other-spelling"),
    "newline-at-the-end": ("{}\n", "canonical.other-spelling"),
    "byte-order-mark": ("\ufeff{}", "canonical.not-json"),
    "keys-in-another-order": ('{"b":1,"a":2}', "canonical.other-spelling"),
    "keys-by-code-point": ('{"\ufb33":1,"😀":2}', "canonical.other-spelling"),
    "key-twice": ('{"a":1,"a":1}', "canonical.key-twice"),
    "key-twice-by-escape": ('{"a":1,"\\u0061":1}', "canonical.key-twice"),
    "escape-that-is-not-needed": ('"\\u0061"', "canonical.other-spelling"),
    "escaped-slash": ('"\\/"', "canonical.other-spelling"),
    "escape-in-capitals": ('"\\u000F"', "canonical.other-spelling"),
    "long-escape-of-a-short-one": ('"\\u000a"', "canonical.other-spelling"),
    "escaped-euro": ('"\\u20ac"', "canonical.other-spelling"),
    "escaped-pair": ('"\\ud83d\\ude00"', "canonical.other-spelling"),
    "bare-control": ('"\n"', "canonical.not-json"),
    "leading-zero": ("01", "canonical.not-json"),
    "plus": ("+1", "canonical.not-json"),
    "integer-as-fraction": ("1.0", "canonical.fraction"),
    "integer-of-5000-digits": ("9" * 5000, "canonical.not-json"),
    "seventeen-levels": ("[" * 16 + "0" + "]" * 16, "canonical.too-deep"),
    "five-thousand-levels": ("[" * 5000, "canonical.too-deep"),
    "nothing": ("", "canonical.not-json"),
    "two-values": ("{}{}", "canonical.not-json"),
    "single-quotes": ("{'a':1}", "canonical.not-json"),
    "comma-at-the-end": ("[1,]", "canonical.not-json"),
    "comment": ("{}//", "canonical.not-json"),
}


def canonical_cases() -> list[Case]:
    """Octets that are canonical, and octets that are not, with the code of the refusal."""
    accepted: list[Case] = [
        {"name": name, "octets": _octets(text), "code": None}
        for name, text in _ACCEPTED.items()
    ]
    refused: list[Case] = [
        {"name": name, "octets": _octets(text), "code": code}
        for name, (text, code) in _REFUSED.items()
    ]
    not_utf8: list[Case] = [
        {"name": name, "octets": octets, "code": "canonical.not-json"}
        for name, octets in (
            ("overlong-utf8", "22c0af22"),
            ("utf8-surrogate", "22eda08022"),
            ("utf8-cut-short", "22e282"),
            ("utf16", "fffe7b007d00"),
        )
    ]
    return [*accepted, *refused, *not_utf8]


# ---- digests

_ABC = "616263"
_TWO_BLOCKS = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".hex()


def digest_cases() -> list[Case]:
    """FIPS 180-4 (NIST's examples) and GB/T 32905-2016, appendix A."""
    return [
        {
            "name": "fips180-one-block",
            "octets": _ABC,
            "digest": "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        },
        {
            "name": "fips180-two-blocks",
            "octets": _TWO_BLOCKS,
            "digest": "sha256:248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        },
        {
            "name": "fips180-empty",
            "octets": "",
            "digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        },
        {
            "name": "gbt32905-example-1",
            "octets": _ABC,
            "digest": "sm3:66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
        },
        {
            "name": "gbt32905-example-2",
            "octets": (b"abcd" * 16).hex(),
            "digest": "sm3:debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
        },
    ]


# ---- manifests

_ITEM: Case = {
    "digests": [
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sm3:66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
    ],
    "media_type": "image/jpeg",
    "name": "a.jpg",
    "role": "original",
    "size": 3,
}
_MANIFEST: Case = {
    "claimed_name": "名",
    "exhibit": "ex_00000000000000000000000000",
    "items": [_ITEM],
    "kind": "deposit",
    "observed_at": "2026-11-21T00:00:00.000Z",
    "policy": "guzheng.policy/1",
    "salt": "31" * 32,
    "schema": "guzheng.manifest/1",
}
_CAPTURE: Case = {"size": 3, "digests": _ITEM["digests"]}
_ATTESTED: Case = {
    "name": "杭州某某贸易有限公司",
    "kind": "enterprise",
    "uscc": "91350100M000100Y43",
    "means": "review",
    "attested_by": "某某存证平台",
    "attested_at": "2026-11-20T08:00:00.000Z",
}
_ATTESTED_PERSON: Case = {
    "name": "张某",
    "kind": "person",
    "means": "provider",
    "attested_at": "2026-11-20T08:00:00.000Z",
}
_SEEN: Case = {
    "origin": "log.example/one",
    "root": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "size": 7,
}


def _spelled(value: object) -> bytes:
    """RFC 8785 for what stands here: all keys are ASCII, all numbers integers."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _manifest(**changed: object) -> bytes:
    value = {**_MANIFEST, **changed}
    return _spelled({key: one for key, one in value.items() if one is not None})


def _with_item(**changed: object) -> bytes:
    item = {**_ITEM, **changed}
    return _manifest(items=[{key: one for key, one in item.items() if one is not None}])


def _named(name: str) -> bytes:
    return _with_item(name=name)


_OF_WIRE = ("environment.json", "tls-keys.enc", "transcript.zip")


def _named_item(name: str) -> Case:
    return {**_ITEM, "name": name}


def _accepted_manifests() -> dict[str, bytes]:
    return {
        "as-in-the-specification": _manifest(),
        "hash-only": _manifest(kind="hash-only"),
        "web": _manifest(kind="web", capture=_CAPTURE),
        "web-attempt": _manifest(kind="web-attempt", capture=_CAPTURE, items=[]),
        "web-attempt-with-the-wire": _manifest(
            kind="web-attempt", capture=_CAPTURE, items=[_named_item(one) for one in _OF_WIRE]
        ),
        "web-attempt-with-a-transcript": _manifest(
            kind="web-attempt", capture=_CAPTURE, items=[_named_item("transcript.zip")]
        ),
        "everything-stated": _manifest(
            claimed_applicant="某某公司", claimed_purpose="诉讼", seen_checkpoint=_SEEN
        ),
        "applicant-attested-by-review": _manifest(
            claimed_applicant="某某", attested_applicant=_ATTESTED
        ),
        "applicant-attested-by-provider": _manifest(attested_applicant=_ATTESTED_PERSON),
        "sha256-alone": _with_item(digests=[_ITEM_SHA256]),
        "derivative-beside": _manifest(
            items=[_ITEM, {**_ITEM, "name": "b.png", "role": "derivative"}]
        ),
        "empty-file": _with_item(size=0),
        "name-of-240-octets": _named("名" * 80),
        "name-with-blanks-inside": _named("合同 甲方 (1).pdf"),
        "name-beyond-the-first-plane": _named("😀.txt"),
        "name-of-a-device-within": _named("console.txt"),
    }


_ITEM_SHA256 = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
_BAD_NAMES = {
    "empty": "",
    "dot": ".",
    "dot-dot": "..",
    "slash": "a/b",
    "parent": "../a",
    "absolute": "/etc/passwd",
    "backslash": "a\\b",
    "drive": "c:a",
    "nul": "a\0b",
    "newline": "a\nb",
    "escape-sequence": "\x1b[2Ja",
    "rtl-override": "a\u202egpj.exe",
    "zero-width": "a\u200bb",
    "byte-order-mark": "\ufeffa",
    "line-separator": "a\u2028b",
    "blank-before": " a",
    "blank-after": "a ",
    "ideographic-blank-after": "a\u3000",
    "dot-at-the-end": "a.",
    "device": "CON",
    "device-with-ending": "nul.txt",
    "device-with-number": "lpt1.tar.gz",
    "wildcard": "a*",
    "241-octets": "a" * 241,
    "81-characters-of-3-octets": "名" * 81,
}


def _refused_manifests() -> dict[str, tuple[bytes, str]]:
    paper, name, sense = "paper.malformed", "item.name-refused", "manifest.items"
    return {
        "not-an-object": (b"[]", paper),
        "another-schema": (_manifest(schema="guzheng.manifest/2"), paper),
        "another-policy": (_manifest(policy="guzheng.policy/2"), paper),
        "another-kind": (_manifest(kind="photograph"), paper),
        "unknown-field": (_manifest(note="x"), paper),
        "unknown-field-of-an-item": (_with_item(mtime=0), paper),
        "field-missing": (_manifest(salt=None), paper),
        "field-of-an-item-missing": (_with_item(size=None), paper),
        "null-is-no-absence": (_manifest()[:-1] + b',"seen_checkpoint":null}', paper),
        "name-too-long": (_manifest(claimed_name="n" * 1001), paper),
        "no-items": (_manifest(items=[]), sense),
        "items-of-one-name": (_manifest(items=[_ITEM, _ITEM]), sense),
        "names-that-differ-in-case": (
            _manifest(items=[_ITEM, {**_ITEM, "name": "A.JPG"}]),
            sense,
        ),
        "names-that-differ-in-normal-form": (
            _manifest(items=[{**_ITEM, "name": "\u00e5"}, {**_ITEM, "name": "a\u030a"}]),
            sense,
        ),
        "1001-items": (
            _manifest(items=[{**_ITEM, "name": f"{one}"} for one in range(1001)]),
            paper,
        ),
        "capture-without-web": (_manifest(capture=_CAPTURE), "manifest.capture"),
        "web-without-capture": (_manifest(kind="web"), "manifest.capture"),
        "web-without-items": (_manifest(kind="web", capture=_CAPTURE, items=[]), sense),
        "attempt-without-capture": (
            _manifest(kind="web-attempt", items=[]),
            "manifest.capture",
        ),
        "attempt-with-items": (_manifest(kind="web-attempt", capture=_CAPTURE), sense),
        "attempt-with-a-page": (
            _manifest(
                kind="web-attempt",
                capture=_CAPTURE,
                items=[_named_item("transcript.zip"), _named_item("page.wacz")],
            ),
            sense,
        ),
        "attempt-with-a-name-in-capitals": (
            _manifest(
                kind="web-attempt", capture=_CAPTURE, items=[_named_item("Transcript.zip")]
            ),
            sense,
        ),
        "attested-by-nobody": (
            _manifest(attested_applicant={**_ATTESTED, "means": "claim"}),
            paper,
        ),
        "attested-with-a-number-of-a-person": (
            _manifest(attested_applicant={**_ATTESTED_PERSON, "number": "1"}),
            paper,
        ),
        "attested-at-no-time": (
            _manifest(attested_applicant={"name": "x", "kind": "person", "means": "review"}),
            paper,
        ),
        "attested-name-of-another-kind": (
            _manifest(attested_applicant={**_ATTESTED, "kind": "state"}),
            paper,
        ),
        "size-below-zero": (_with_item(size=-1), paper),
        "size-as-truth": (_with_item(size=True), paper),
        "size-as-text": (_with_item(size="3"), paper),
        "another-role": (_with_item(role="copy"), paper),
        "digests-in-another-order": (
            _with_item(digests=list(reversed(_ITEM["digests"]))),  # type: ignore[call-overload]
            paper,
        ),
        "sm3-alone": (_with_item(digests=["sm3:" + "00" * 32]), paper),
        "no-digests": (_with_item(digests=[]), paper),
        "digest-in-capitals": (
            _with_item(digests=["sha256:" + _ITEM_SHA256[7:].upper()]),
            "digest.malformed",
        ),
        "digest-with-blanks": (
            _with_item(digests=["sha256:" + " ".join(["ba"] * 32)]),
            "digest.malformed",
        ),
        "digest-of-another-algorithm": (
            _with_item(digests=["sha1:" + "00" * 20]),
            "digest.malformed",
        ),
        "salt-of-31-octets": (_manifest(salt="31" * 31), paper),
        "salt-in-capitals": (_manifest(salt="AB" * 32), paper),
        "exhibit-with-a-letter-that-is-not-there": (
            _manifest(exhibit="ex_0000000000000000000000000U"),
            "exhibit.name-malformed",
        ),
        "exhibit-that-leads-elsewhere": (
            _manifest(exhibit="../00000000000000000000000000"),
            "exhibit.name-malformed",
        ),
        "time-without-milliseconds": (
            _manifest(observed_at="2026-11-21T00:00:00Z"),
            "instant.malformed",
        ),
        "time-with-a-zone": (
            _manifest(observed_at="2026-11-21T00:00:00.000+08:00"),
            paper,
        ),
        "time-that-never-was": (
            _manifest(observed_at="2026-02-29T00:00:00.000Z"),
            "instant.malformed",
        ),
        "time-of-a-leap-second": (
            _manifest(observed_at="2016-12-31T23:59:60.000Z"),
            "instant.malformed",
        ),
        "time-at-the-end-of-the-calendar": (
            _manifest(observed_at="9999-12-31T23:59:59.999Z"),
            "instant.malformed",
        ),
        "root-of-31-octets": (
            _manifest(seen_checkpoint={**_SEEN, "root": "A" * 42 + "=="}),
            paper,
        ),
        "root-with-other-trailing-bits": (
            _manifest(seen_checkpoint={**_SEEN, "root": "A" * 42 + "B="}),
            paper,
        ),
        "newline-at-the-end": (_manifest() + b"\n", "canonical.other-spelling"),
        **{f"item-name-{one}": (_named(text), name) for one, text in _BAD_NAMES.items()},
    }


def _digests_of(octets: bytes) -> list[str]:
    return [
        f"sha256:{hashlib.sha256(octets).hexdigest()}",
        f"sm3:{_sm3(octets).hex()}",
    ]


def _sm3(octets: bytes) -> bytes:
    hasher = hashes.Hash(hashes.SM3())
    hasher.update(octets)
    return hasher.finalize()


def manifest_cases() -> list[Case]:
    """Manifests as octets; accepted ones with their digests, refused ones with the code."""
    accepted: list[Case] = [
        {"name": name, "octets": octets.hex(), "code": None, "digests": _digests_of(octets)}
        for name, octets in _accepted_manifests().items()
    ]
    refused: list[Case] = [
        {"name": name, "octets": octets.hex(), "code": code}
        for name, (octets, code) in _refused_manifests().items()
        if len(octets) < 50_000
    ]
    return [*accepted, *refused]


# ---- leaves: docs/spec/leaf.md


def leaf_cases() -> list[Case]:
    """Manifest and seal, and the entry of the ledger that they make: plain hashing."""
    cases: list[Case] = []
    for name, manifest_json, seal in (
        ("spec-manifest-and-a-short-seal", _manifest(), b"seal"),
        ("empty-seal", _manifest(), b""),
        ("another-salt", _manifest(salt="00" * 32), b"seal"),
        ("everything-stated", _accepted_manifests()["everything-stated"], bytes(range(256))),
    ):
        salt = bytes.fromhex(json.loads(manifest_json)["salt"])
        committed = hashlib.sha256(
            b"guzheng/commitment/v1\n"
            + salt
            + hashlib.sha256(manifest_json).digest()
            + _sm3(manifest_json)
            + hashlib.sha256(seal).digest()
        ).digest()
        leaf = b"guzheng/leaf/v1\n" + committed
        cases.append(
            {
                "name": name,
                "manifest": manifest_json.hex(),
                "seal": seal.hex(),
                "leaf": leaf.hex(),
                "leaf_hash": hashlib.sha256(b"\0" + leaf).hexdigest(),
            }
        )
    return cases
