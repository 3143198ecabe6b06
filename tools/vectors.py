"""Test vectors of our own formats: canonical JSON, digests, manifest, leaf, package.

They are language-neutral: one `cases.json` for each folder, octets in hexadecimal or in files
beside it, for the verifiers that others write. What our code makes of them is asserted by the
tests, never by this tool: expected values here are literals, or computed without guzheng.

    python -m tools.vectors            write everything that can be derived
    python -m tools.vectors --check    say which file is not what this tool describes
    python -m tools.vectors --remake   make the keys and packages anew, then write everything;
                                       with names (`dual`), only these packages
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools import vectors_package
from tools.vectors_papers import canonical_cases, digest_cases, leaf_cases, manifest_cases

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "vectors"


_SM2_TOKEN = {"file": "manifest.json", "token": "seal.sm2.tsa", "roots": "roots.pem"}
# One file, two tokens: as `seal.tsa` and `seal.sm2.tsa` lie beside one manifest.
_TOKENS: list[dict[str, object]] = [
    {"name": "first", **_SM2_TOKEN, "token": "seal.tsa", "outcome": "passed", "codes": []},
    {"name": "second-sm2", **_SM2_TOKEN, "outcome": "passed", "codes": []},
    {
        "name": "sm2-no-roots",
        **_SM2_TOKEN,
        "roots": None,
        "outcome": "not-checked",
        "codes": ["trust.no-roots"],
    },
    {
        "name": "sm2-altered",
        **_SM2_TOKEN,
        "token": "seal.sm2-altered.tsa",
        "outcome": "failed",
        "codes": ["sm2.signature-invalid", "step.input-missing"],
    },
    {
        "name": "sm2-of-another-file",
        **_SM2_TOKEN,
        "file": "other.json",
        "outcome": "failed",
        "codes": ["timestamp.imprint-differs"],
    },
]


def _index(cases: list[dict[str, object]], **more: object) -> bytes:
    text = json.dumps({**more, "cases": cases}, ensure_ascii=False, indent=1)
    return (text + "\n").encode()


def _papers() -> Iterator[tuple[str, bytes]]:
    yield "canonical/cases.json", _index(canonical_cases())
    yield "digest/cases.json", _index(digest_cases())
    yield "manifest/cases.json", _index(manifest_cases())
    yield "leaf/cases.json", _index(leaf_cases())


def _packages() -> Iterator[tuple[str, bytes]]:
    made = vectors_package.Made.read(FOLDER / "package")
    cases: list[dict[str, object]] = []
    for case in vectors_package.cases(made):
        cases.append(case.value())
        if case.octets is None:
            continue
        kept = FOLDER / "package" / case.package
        if case.is_packed and kept.is_file():
            there = kept.read_bytes()
            if vectors_package.same_members(there, case.octets):
                yield f"package/{case.package}", there
                continue
        yield f"package/{case.package}", case.octets
    yield "package/cases.json", _index(cases)
    yield "package/dual-first-root.pem", vectors_package.first_root(made)
    yield "sm2/tokens.json", _index(_TOKENS)
    for name, octets in vectors_package.pair_of(made).items():
        yield f"sm2/{name}", octets


def described() -> Mapping[str, bytes]:
    """Every file that is derived, by its name under tests/vectors."""
    return dict([*_papers(), *_packages()])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="tools.vectors")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--remake", nargs="*", metavar="NAME")
    given = parser.parse_args()
    if given.remake is not None:
        vectors_package.remake(FOLDER / "package", given.remake)
    different = 0
    for name, octets in described().items():
        path = FOLDER / name
        if path.is_file() and path.read_bytes() == octets:
            continue
        different += 1
        if given.check:
            print(f"{name}: not what tools/vectors.py describes", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(octets)
            print(f"{name}: sha256 {hashlib.sha256(octets).hexdigest()[:16]}…")
    return 1 if given.check and different else 0


if __name__ == "__main__":
    sys.exit(main())
