"""Test vectors of our own formats: canonical JSON, digests, manifest, leaf, package.

They are language-neutral: one `cases.json` for each folder, octets in hexadecimal or in files
beside it, for the verifiers that others write. What our code makes of them is asserted by the
tests, never by this tool: expected values here are literals, or computed without guzheng.

    python -m tools.vectors            write everything that can be derived
    python -m tools.vectors --check    say which file is not what this tool describes
    python -m tools.vectors --remake   make the keys and packages anew, then write everything
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


def described() -> Mapping[str, bytes]:
    """Every file that is derived, by its name under tests/vectors."""
    return dict([*_papers(), *_packages()])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="tools.vectors")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--remake", action="store_true")
    given = parser.parse_args()
    if given.remake:
        vectors_package.remake(FOLDER / "package")
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
