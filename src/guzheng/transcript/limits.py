"""How much of a transcript is read: every bound in one place.

They lie above what an order allows a capture to bring, and below what would harm the machine
of an expert who opens a transcript that somebody made to harm it.
"""

INDEX_OCTETS = 64 << 20
RECORD_OCTETS = 64 << 20
LAYOUT_OCTETS = 256 << 20
KEY_LOG_OCTETS = 32 << 20
KEY_LOG_LINES = 200_000
CONNECTIONS = 20_000
STREAM_OCTETS = 1 << 30  # of one direction of one connection
TIMES_OCTETS = 64 << 20
ARCHIVE_MEMBERS = 1000
WARC_RECORDS = 400_000
WARC_BLOCK_OCTETS = 1 << 30
WARC_TOTAL_OCTETS = 4 << 30
HEAD_OCTETS = 1 << 20  # of one head of HTTP
HEADERS = 2000
BODY_OCTETS = 1 << 30  # of one body, its codings undone
BODY_RATIO = 1100  # deflate reaches 1,032; above it nothing honest lies
BODY_FLOOR_OCTETS = 64 << 20  # that any body may have: newer codings pack better
CODINGS = 4  # one upon another
STREAMS = 100_000  # of one HTTP/2 connection
HEADER_TABLE_OCTETS = 1 << 20  # of HPACK's memory
EXCHANGES = 400_000
CERTIFICATES = 20
CERTIFICATE_OCTETS = 1 << 20  # a chain, decompressed
MISSING = 10_000  # that are listed by name
NODES = 200_000
