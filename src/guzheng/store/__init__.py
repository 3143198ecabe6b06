"""Two drawers: records (SQL) and blobs (files), with the discipline that makes them durable.

`blobs` is the port for immutable bytes; `directory` and `memory` are its implementations.
`records` opens an SQL engine that never loses an acknowledged row. `durable` writes single
files that outlive a power cut. `receive` stores a stream while hashing it. `ids` makes names.
`rowed` is the head of numbered papers, each of which names the one before.
Nothing here knows what an exhibit is.
"""
