"""What a witness and a mirror share: a key that cosigns, files that last, an HTTP server.

Both are programs that somebody else runs, a court or a notary, beside a log that they do not
believe. So this needs the standard library and `cryptography`, nothing of the platform's, and
can be read in one sitting. It promises that a private key leaves its file only as signatures,
and that what was said to be written is on the disk. What is signed is decided by the program.
"""


class Refused(Exception):
    """The operator must act. `code` has words in `guzheng.words`; the facts fill them."""

    def __init__(self, code: str, **facts: object) -> None:
        self.code, self.facts = code, facts
        super().__init__(f"{code}: {facts}")
