"""Station 5, keep (保管): still the same bytes, nothing beside them, and renewed in time.

    scrub       read every byte again; gives faults, each naming the paper
    sunsets     when algorithms end, and who says so
    ageing      until when what vouches for an exhibit is good
    renewing    stamp anew what ages (RFC 4998), for all exhibits with one token
    ers         evidence records, written
    selfcheck   what the installation found when it looked at itself, as a paper
    known_answers   whether the algorithms give what their texts print

Takes the kept papers, the trust in force and, to renew, an authority. The only paper it adds is
`renewals/<nnnn>.ers`. May fail with `Unavailable` when the disk cannot be read or the authority
is silent, and with `Refused` when the operator must act before anything can be renewed.
"""

from guzheng.keep.ageing import Age, Judged, age_of
from guzheng.keep.renewing import Folder, Renewing, renew
from guzheng.keep.scrub import Fault, scrub_exhibit
from guzheng.keep.sunsets import SIGNATURES, Sunsets

__all__ = [
    "SIGNATURES",
    "Age",
    "Fault",
    "Folder",
    "Judged",
    "Renewing",
    "Sunsets",
    "age_of",
    "renew",
    "scrub_exhibit",
]
