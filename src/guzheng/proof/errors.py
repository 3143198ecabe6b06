"""Why a proof was refused: one family, stable codes, what was expected and what was found.

Every parser and every check in this package raises these and nothing else. The codes are part
of the format (docs/codes.md): reports, tests and other implementations compare them.
"""


class ProofError(Exception):
    """Root of the family. `code` is stable; `expected` and `found` are for a person."""

    def __init__(self, code: str, *, expected: str = "", found: str = "") -> None:
        self.code = code
        self.expected = expected
        self.found = found
        super().__init__(f"{code}: expected {expected or '-'}, found {found or '-'}")


class Malformed(ProofError):
    """The bytes are not in the one form their format allows."""


class Refuted(ProofError):
    """Well-formed, and contradicts what it should prove: somebody altered something."""


class DigestMismatch(Refuted):
    """The bytes are not those that the record speaks of."""


class NotIncluded(Refuted):
    """The inclusion path does not lead from the entry to the signed root."""


class Inconsistent(Refuted):
    """Two views of one ledger, or two papers of one exhibit, cannot both be true."""


class BadSignature(Refuted):
    """A signature by a key we know does not fit the text."""


class Undecided(ProofError):
    """Neither proved nor refuted: something needed for an answer is not at hand."""


class UnknownKey(Undecided):
    """Signed by nobody whom the verifier was told to trust."""
