"""What makes evidence evidence: the formats, and the checks. Read by an expert in an afternoon.

Everything here is a function of its arguments. Nothing reads a file, asks a network, looks at a
clock, draws a random number, writes a log, or keeps anything between two calls (but for how
octets read and which certificate signed which, in chain.py, cms.py and timestamp.py: no time
and no caller can change that, and a test compares with an empty memory); an import contract,
ruff, and a test under Python's audit hook hold it to that. Every parser returns a value or
raises `errors.ProofError`; every verdict is a `report.Report` with three values. It needs the
standard library and `cryptography`, and knows nothing else of ours.

The order in which to read, from words to verdict (docs/audit.md says what each is for):
report, errors, digest, canonical, instant, fields, manifest, capture; der, shapes, sm2,
sm2_x509, cms, chain, timestamp; tree, tiles, note, tlogproof, subtree, fork, shard; policy,
certificate, pdf, package; steps, renewal, anchors, later, moments, exhibit, verify;
identifiers.
"""
