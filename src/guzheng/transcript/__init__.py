"""PROGRAM `guzheng-transcript`: opens what passed over the wire, and compares the archive.

The capturer's tunnel keeps the exact octets of every connection and never decrypts them. With
the browser's key log this program opens them, checks that the site's own key signed each
handshake, and compares every exchange with the WARC. It believes neither the platform nor the
transcript: of our own code it imports `proof` and the words, it opens no connection, and every
octet that it reads is hostile until parsed. docs/spec/transcript.md is its specification.
"""
