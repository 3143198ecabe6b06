"""Accounts (账号): who may act, for whom, and what they may do.

A main account (主账号) owns evidence; persons act for it, each with permissions of their own
(子账号). Takes identities and decisions; gives an `Acting` for each request. It holds no
evidence and no rule of evidence: an exhibit names its account in its order, and stays whatever
becomes of the people. May fail: `Refused` (accounts.…) for who may not, `Unavailable` when the
database is away.
"""

from guzheng.accounts.acting import SEAT, Acting, Permission

__all__ = ["SEAT", "Acting", "Permission"]
