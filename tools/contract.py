"""Compiles the contract that checkpoints are anchored with; `--check` fails when it is stale.

src/guzheng/ledger/anchors/CheckpointAnchor.sol -> CheckpointAnchor.json beside it: ABI,
bytecode, and the digest of the source it was made from. Uses `solc` of tests/oracles/node
(npm). The settings below are part of the result: another optimiser gives other bytecode.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

from guzheng.proof import canonical

ROOT = Path(__file__).resolve().parent.parent
NODE = ROOT / "tests" / "oracles" / "node"
FOLDER = ROOT / "src" / "guzheng" / "ledger" / "anchors"
SOURCE, MADE = FOLDER / "CheckpointAnchor.sol", FOLDER / "CheckpointAnchor.json"
NAME = "CheckpointAnchor"
_COMPILE = (
    "const solc = require('solc');"
    "let text = '';"
    "process.stdin.on('data', part => text += part);"
    "process.stdin.on('end', () => process.stdout.write(solc.compile(text)));"
)


def compiled(source: str) -> bytes:
    asked = {
        "language": "Solidity",
        "sources": {f"{NAME}.sol": {"content": source}},
        "settings": {
            "evmVersion": "paris",  # no opcode younger than what consortium networks run
            "optimizer": {"enabled": True, "runs": 200},
            "metadata": {"bytecodeHash": "none", "appendCBOR": False},
            "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
        },
    }
    done = subprocess.run(
        ["node", "-e", _COMPILE],
        cwd=NODE,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    if complaints := [one["formattedMessage"] for one in answer.get("errors", [])]:
        raise SystemExit("\n".join(complaints))
    made = answer["contracts"][f"{NAME}.sol"][NAME]
    value = {
        "source_sha256": hashlib.sha256(source.encode()).hexdigest(),
        "abi": made["abi"],
        "bytecode": "0x" + made["evm"]["bytecode"]["object"],
    }
    return canonical.encode(value) + b"\n"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true")
    check: bool = arguments.parse_args().check
    if not (NODE / "node_modules" / "solc").is_dir():
        sys.stderr.write(f"no solc: npm ci --prefix {NODE.relative_to(ROOT)}\n")
        return 2
    octets = compiled(SOURCE.read_text("utf-8"))
    if not check:
        MADE.write_bytes(octets)
    elif not MADE.exists() or MADE.read_bytes() != octets:
        sys.stderr.write(f"stale: {MADE.relative_to(ROOT)}; run tools/contract.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
