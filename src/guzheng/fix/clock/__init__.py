"""What the time is, how far that may be wrong, and when it must not be said at all.

    reading    what a clock answers: the port between a clock and whoever signs its word

A clock raises `Unavailable` (clock.…) when its word must not be given; the authority then
answers timeNotAvailable (RFC 3161 §2.4.2).
"""

from guzheng.fix.clock.reading import Clock, Reading, unverified

__all__ = ["Clock", "Reading", "unverified"]
