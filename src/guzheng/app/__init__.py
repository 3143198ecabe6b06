"""The composition root: from settings to a platform that faces can ask.

    parts      what stands behind each port; owns the clock and the source of chance
    platform   one installation, opened: what faces ask
    receiving  the plain doors: a file, a fingerprint, an address
    entries    the ledger as it is asked from outside
    looking    exhibits as their papers show them; views: what faces are answered
    people     registering, signing in; writing: what is written to persons
    walking    what belongs to a step of the road besides the step
    judging    the verifier, run as the program that it is
    tending    what an operator does now and then; upkeep: rebuild and fsck

Faces (web, cli, worker) see `Platform` and its views, and nothing below.
"""

from guzheng.app.parts import Parts, open_parts, system_entropy, system_now, system_tick
from guzheng.app.platform import Platform
from guzheng.app.upkeep import set_aside_damaged
from guzheng.app.views import ClockReading, EntryView, ExhibitView, PaperView

__all__ = [
    "ClockReading",
    "EntryView",
    "ExhibitView",
    "PaperView",
    "Parts",
    "Platform",
    "open_parts",
    "set_aside_damaged",
    "system_entropy",
    "system_now",
    "system_tick",
]
