"""Comparing two captures: what differs between two places, or two times.

Takes the papers and items of two exhibits; gives a report, derived from them and from nothing
else, so that anybody who has both can make it again (docs/spec/comparison.md). It attests
nothing: each exhibit proves itself, and this says where to look. May fail: `Refused`
(compare.…) when one of them is no finished capture.

What pages sent is hostile: every reading here is bounded, and what was not compared, because
it was too large or is not there, is said and never counted as equal.
"""

from guzheng.compare.captures import Side, read_side
from guzheng.compare.report import SCHEMA, compare

__all__ = ["SCHEMA", "Side", "compare", "read_side"]
