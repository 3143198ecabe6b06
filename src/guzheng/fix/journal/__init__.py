"""The issuance journal: no token leaves without a line that is already on the disk.

    chain      what a line is, how lines hang together, and reading a chain back
    writing    one writer, one chain: append, then commit many lines with one flush
    heads      how many lines a chain has and how they end, for the ledger to hold
    checking   every altered, missing or cut line, by name

Each process that issues writes a chain of its own, in a folder of its own, so that none waits
for another; a process that starts goes on with a chain nobody holds. Each line commits to the
one before it, and the heads of all chains go into the ledger, so that a tail cannot be cut off
either. Specification: docs/spec/journal.md.

Refuses: to sign when the line cannot be made durable; to mend or to drop anything but the torn
end that a crash left, which stood for a token that was never sent.
"""

from guzheng.fix.journal.chain import OWN, Torn
from guzheng.fix.journal.checking import Checked, JournalFault, check
from guzheng.fix.journal.heads import LABEL, Head, heads_of, leaf_of, read_heads, record_heads
from guzheng.fix.journal.writing import FileJournal, Group, Journal, Unrecorded

__all__ = [
    "LABEL",
    "OWN",
    "Checked",
    "FileJournal",
    "Group",
    "Head",
    "Journal",
    "JournalFault",
    "Torn",
    "Unrecorded",
    "check",
    "heads_of",
    "leaf_of",
    "read_heads",
    "record_heads",
]
