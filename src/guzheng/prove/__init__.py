"""Station 6, prove (举证): a package that a stranger checks offline, without asking us.

Takes exhibits whose road is walked, and the trust that was in force; gives one zip in the one
form of docs/spec/package.md, or a folder or a disc's image with the same members; and the
documents that a court is given with them (catalogue, labels, disclosure). May fail: `Refused`
when a paper is missing or a kept byte is not the one that its manifest names, or when a medium
does not take it. And it answers, from the ledger as it is published, whether an exhibit is in
it (court.py).
"""

from guzheng.prove.catalogue import catalogue
from guzheng.prove.certification import certification
from guzheng.prove.court import Answer, Located, Match, Question, answer
from guzheng.prove.disc import Made, find_xorriso, write_iso
from guzheng.prove.disclosure import disclosure
from guzheng.prove.disputes import FOLDER as DISPUTES
from guzheng.prove.disputes import Dispute, disputes
from guzheng.prove.disputes import receive as receive_dispute
from guzheng.prove.labels import labels
from guzheng.prove.packing import (
    Beside,
    Exhibit,
    digests_of,
    identity_of,
    sizes_of,
    write_folder,
    write_package,
)
from guzheng.prove.paging import pages_of
from guzheng.prove.printing import Issue, Printer, Writer
from guzheng.prove.profiles import (
    Burner,
    Extent,
    Profile,
    Violation,
    profiles,
    require_profile,
    violations,
    volumes,
)
from guzheng.prove.recipe import recipe
from guzheng.prove.selection import Chosen, Selection, require_selection
from guzheng.prove.told import CheckThen, ClockThen, Told, read_told
from guzheng.prove.verify_page import verify_page

__all__ = [
    "DISPUTES",
    "Answer",
    "Beside",
    "Burner",
    "CheckThen",
    "Chosen",
    "ClockThen",
    "Dispute",
    "Exhibit",
    "Extent",
    "Issue",
    "Located",
    "Made",
    "Match",
    "Printer",
    "Profile",
    "Question",
    "Selection",
    "Told",
    "Violation",
    "Writer",
    "answer",
    "catalogue",
    "certification",
    "digests_of",
    "disclosure",
    "disputes",
    "find_xorriso",
    "identity_of",
    "labels",
    "pages_of",
    "profiles",
    "read_told",
    "receive_dispute",
    "recipe",
    "require_profile",
    "require_selection",
    "sizes_of",
    "verify_page",
    "violations",
    "volumes",
    "write_folder",
    "write_iso",
    "write_package",
]
