"""Station 5, keep (保管): still the same bytes, and nothing beside them.

Takes the kept papers and the trust in force; gives faults, each naming the paper and what is
wrong with it. Reads only; may fail with `Unavailable` when the disk cannot be read.
"""

from guzheng.keep.scrub import Fault, scrub_exhibit

__all__ = ["Fault", "scrub_exhibit"]
