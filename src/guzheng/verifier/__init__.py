"""PROGRAM `guzheng-verify`: reads files, asks proof, says what came of it.

It believes neither the platform nor the package: of our own code it imports `proof` and the
words, it opens no connection, writes nothing, and runs with `cryptography` alone installed.
"""
