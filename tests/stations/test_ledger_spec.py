"""The examples in docs/spec are vectors: what the pages show is what the program does."""

import re
from pathlib import Path

from guzheng.proof import tree
from guzheng.proof.digest import sha256, sm3
from guzheng.proof.manifest import Manifest, leaf_of
from guzheng.proof.note import VerifierKey
from tests.stations.ledgers import append, leaf, open_ledger, require_proves

SPEC = Path(__file__).parents[2] / "docs" / "spec"


def examples_in(page: str, language: str) -> list[str]:
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return fence.findall((SPEC / page).read_text("utf-8"))


def test_the_leaf_of_the_page() -> None:
    manifest_json = examples_in("manifest.md", "json")[-1].strip().encode()
    shown = dict(line.split() for line in examples_in("leaf.md", "text")[0].splitlines())
    assert shown == {
        "salt": Manifest.parse(manifest_json).salt.hex(),
        "sha256(manifest)": sha256(manifest_json).hex,
        "sm3(manifest)": sm3(manifest_json).hex,
        "sha256(seal)": sha256(b"seal").hex,
        "leaf": leaf_of(manifest_json, b"seal").hex(),
    }


def test_the_proof_of_the_page(tmp_path: Path) -> None:
    _, vkey, paper, _ = examples_in("ledger.md", "text")
    ledger = open_ledger(tmp_path)
    append(ledger, range(3))
    ledger.integrate()
    assert ledger.vkey == vkey.strip()
    assert ledger.prove(1) == paper.encode()
    require_proves(paper.encode(), leaf(1), VerifierKey.parse(vkey.strip()))
    assert tree.leaf_hash(leaf(1)).hex() in (SPEC / "ledger.md").read_text("utf-8")
