"""Why a proof was refused: one family, stable codes, what was expected and what was found.

Every parser and every check in this package raises these and nothing else. The codes are part
of the format (docs/codes.md): reports, tests and other implementations compare them. Most
checks are one sentence, and are written as one: `require(what holds, else what, …)`.
"""


class ProofError(Exception):
    """Root of the family. `code` is stable; `expected` and `found` are for a person.

    They may be given as they are: octets are spelled in hexadecimal, anything else by `str`.
    """

    def __init__(self, code: str, expected: object = "", found: object = "") -> None:
        self.code = code
        self.expected, self.found = _spelled(expected), _spelled(found)
        super().__init__(f"{code}: expected {self.expected or '-'}, found {self.found or '-'}")


def require(
    holds: bool,  # noqa: FBT001 - it is the sentence that is checked
    otherwise: type[ProofError],
    code: str,
    expected: object,
    found: object,
) -> None:
    """Refuse unless it holds. That alone decides; the rest is for a person."""
    if not holds:
        raise otherwise(code, expected, found)


def _spelled(shown: object) -> str:
    return shown.hex() if isinstance(shown, bytes) else str(shown)


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
