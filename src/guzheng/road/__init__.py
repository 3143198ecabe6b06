"""The road: the order of the stations, and the only place that knows it.

    order → (capture) → manifest → tokens, seal → leaf, entry → certificate

    papers    what the papers decide: the next step, the state, what is missing
    folders   the folders of exhibits, as they lie in the store
    making    how each paper is made: one function a step
    walking   what comes in, the walk, and what killed programs left

Each step makes one kind of paper, and the first paper that is missing decides which step is
next: there is no status that could disagree with the folder. Every step may run twice: what is
kept under a name never changes, so «it failed» and «it succeeded but we did not hear» take the
same path. A paper never refers to bytes that are not durable yet.

Whoever walks holds the exhibit's lease, so no two workers make the same paper at once.
"""

from guzheng.road.making import Certify, Tell
from guzheng.road.papers import (
    ATTEMPT,
    BESIDE,
    ENDED,
    ENDED_CODE,
    ORDER,
    REFUSED,
    Step,
    folder_of,
    is_over,
    missing_from,
    next_step,
    state_of,
)
from guzheng.road.walking import Attested, Road, Spending

__all__ = [
    "ATTEMPT",
    "BESIDE",
    "ENDED",
    "ENDED_CODE",
    "ORDER",
    "REFUSED",
    "Attested",
    "Certify",
    "Road",
    "Spending",
    "Step",
    "Tell",
    "folder_of",
    "is_over",
    "missing_from",
    "next_step",
    "state_of",
]
