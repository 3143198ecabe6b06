"""What the browser's engine must have in common with `guzheng.proof`, written for it to read.

`python -m tools.kernel_tables` writes frontend/src/kernel.json: the rule of every step, the
members of a package, the fields of a capture record. `--check` compares and writes nothing.
The engine in TypeScript has no table of its own, so neither can drift from the other."""

import json
import sys
from pathlib import Path

from guzheng.proof import capture, certificate, manifest, package, steps
from guzheng.verifier import reading

WRITTEN = Path(__file__).resolve().parents[1] / "frontend" / "src" / "kernel.json"


def tables() -> str:
    value = {
        "rules": steps.RULES,
        "outer": list(package.OUTER),
        "documents": list(package.DOCUMENTS),
        "optional": package._OPTIONAL.pattern,  # noqa: SLF001 - the one place it is written
        "max_members": package.MAX_MEMBERS,
        "max_paper": package.MAX_PAPER,
        "max_papers": package.MAX_PAPERS,
        "max_ratio": reading.MAX_RATIO,
        "max_total": reading.MAX_TOTAL,
        "capture_parts": {
            name: " ".join(fields.split())
            for name, fields in capture._PARTS.items()  # noqa: SLF001
        },
        "certificate_capture": certificate._CAPTURE.split(),  # noqa: SLF001
        "applicants": list(manifest.APPLICANTS),
        "means": list(manifest.MEANS),
        "kinds": list(manifest.KINDS),
        "attempt_items": list(manifest.ATTEMPT_ITEMS),
        "most_attempted": certificate.MOST_ATTEMPTED,
        "most_missing": certificate.MOST_MISSING,
    }
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    wanted = tables()
    if arguments == ["--check"]:
        held = WRITTEN.read_text() if WRITTEN.is_file() else ""
        if held != wanted:
            print("frontend/src/kernel.json is stale: python -m tools.kernel_tables")
            return 1
        return 0
    WRITTEN.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
