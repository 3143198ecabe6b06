"""How many pages a paper of ours has when it is printed: what a list of evidence numbers.

Only certificates are counted: this platform made and signed them. An original is a file, and
may be anything; whoever wants its pages numbered prints it.
"""

import io


def pages_of(pdf: bytes) -> int | None:
    """None of what does not read as a PDF: then nothing is numbered, and nothing is guessed."""
    # Here and not above: every command would start a seventh later for it.
    from pyhanko.pdf_utils.generic import IndirectObject
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.pdf_utils.reader import PdfFileReader

    try:
        found = PdfFileReader(io.BytesIO(pdf), strict=False).root["/Pages"]["/Count"]
    except (PdfError, KeyError, TypeError, ValueError):
        return None
    count = found.get_object() if isinstance(found, IndirectObject) else found
    return int(count) if isinstance(count, int) and 0 < count < 100_000 else None
