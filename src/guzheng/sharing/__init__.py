"""Shares (分享): links by which others see what was shared, for a time.

Takes exhibits that somebody chose, and until when; gives a link that is shown once, since only
its digest is kept. Who opens it needs no account; a code may be asked for besides. Every
opening and every file that is fetched is written down for who shared it. May fail: `Refused`
(sharing.…) for a link that is over, revoked, closed by wrong codes, or nobody's.
"""

from guzheng.sharing.records import Shares
from guzheng.sharing.rules import Access, Share, Visitor, shown_address

__all__ = ["Access", "Share", "Shares", "Visitor", "shown_address"]
