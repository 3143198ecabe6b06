"""Where the issuance journal and the ledger meet: heads go in, and are looked for again.

The journal knows no ledger and the ledger no journal; this joins them. Running twice is
harmless: the same head has the same entry.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from guzheng.app.auditing import Audit
from guzheng.app.parts import Parts
from guzheng.app.timestamping import JOURNAL
from guzheng.fix.journal import LABEL, Checked, check, leaf_of, record_heads
from guzheng.fix.journal.chain import chains_in, files_of
from guzheng.ledger import Numbered
from guzheng.refusals import Problem

COMMIT_SECONDS: Final = 600.0
_LOOK_SECONDS: Final = 5.0  # how often it is looked whether a file was turned


def commit_heads(parts: Parts, audit: Audit) -> list[tuple[str, int, Numbered]]:
    """Chain, number of lines, number of the entry, for the newest head of each chain."""
    heads = record_heads(parts.data / JOURNAL, parts.now())
    if not heads:
        return []
    known = [parts.shards.index_of(leaf_of(one)) for one in heads]
    entries = parts.shards.append_all([(leaf_of(one), None) for one in heads])
    parts.shards.integrate()
    for head, before, entry in zip(heads, known, entries, strict=True):
        if before is None:
            audit.tell("journal.head", chain=head.chain, lines=head.lines, entry=str(entry))
    return [(head.chain, head.lines, entry) for head, entry in zip(heads, entries, strict=True)]


def verify_journal(parts: Parts) -> Checked:
    """Every line again, against the heads that are in the ledger's signed tree."""
    leaves = list(parts.shards.signed_leaves(LABEL))
    known = frozenset(leaves)
    return check(parts.data / JOURNAL, in_ledger=known.__contains__, leaves=leaves)


@contextmanager
def heads_kept(parts: Parts, audit: Audit) -> Iterator[None]:
    """While a server runs: heads every ten minutes, and soon after a file was turned."""
    ended = threading.Event()

    def keep() -> None:
        files, waited = _newest(parts), 0.0
        while not ended.wait(_LOOK_SECONDS):
            waited += _LOOK_SECONDS
            now = _newest(parts)
            if now != files or waited >= COMMIT_SECONDS:
                files, waited = now, 0.0
                try:
                    commit_heads(parts, audit)
                except Problem as problem:  # the next round tries again
                    audit.tell("journal.head-failed", code=problem.code)

    thread = threading.Thread(target=keep, name="journal-heads", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _newest(parts: Parts) -> dict[str, str]:
    """The newest file of each chain: it changes when one is turned."""
    folder = parts.data / JOURNAL
    return {
        name: files[-1].name for name in chains_in(folder) if (files := files_of(folder, name))
    }
