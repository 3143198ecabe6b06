"""FACE: the pages and the HTTP interface. It shows stations and contains none of their order.

Takes a platform (ports.py) and gives an ASGI application. One file per family of addresses:
home (order and deposit), exhibits (watch, read, take away), verification, ledger (C2SP paths,
trust roots, time-stamping), api (the same for programs), public (help, sitemap, health).
Endpoints are plain functions in worker threads; only the outer door (guard) is asynchronous.
It never decides what evidence is, never keeps an uploaded byte itself beyond the request, and
never says more than a paper or a report says."""

from guzheng.web.application import create_app

__all__ = ["create_app"]
