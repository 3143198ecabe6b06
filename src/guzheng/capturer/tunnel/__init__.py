"""PROGRAM: the only way out of a capture, and the record of what took it.

`python -m guzheng.capturer.tunnel` is started by the capturer, never by hand: it inherits a
listening socket, reads its order from standard input, gives up every privilege, and tells on
standard output what it does. It meets the whole network and holds no key: it carries octets
that it cannot read. Its end, however it comes, is the end of the capture.

Reading order: order, privileges (what it may), socks, peers (who asks), resolving (what a name
is), connection, tape (what is kept), carry (the whole). Specification of what it keeps:
docs/spec/transcript.md.
"""
