"""Station 6, prove (举证): a package that a stranger checks offline, without asking us.

Takes exhibits whose road is walked, and the trust that was in force; gives one zip in the one
form of docs/spec/package.md. May fail: `Refused` when a paper is missing or a kept byte is not
the one that its manifest names. And it answers, from the ledger as it is published, whether an
exhibit is in it (court.py).
"""

from guzheng.prove.court import Answer, Located, Match, Question, answer
from guzheng.prove.disputes import FOLDER as DISPUTES
from guzheng.prove.disputes import Dispute, disputes
from guzheng.prove.disputes import receive as receive_dispute
from guzheng.prove.packing import Exhibit, write_package
from guzheng.prove.recipe import recipe

__all__ = [
    "DISPUTES",
    "Answer",
    "Dispute",
    "Exhibit",
    "Located",
    "Match",
    "Question",
    "answer",
    "disputes",
    "receive_dispute",
    "recipe",
    "write_package",
]
