"""Every limit of a capture, with its reason; what an order may lower or raise is in bounds.

A limit that is reached is never silent: the capture fails with its number, or goes on and
names it in `limits_hit` and `notes` of the record.
"""

# --- order ------------------------------------------------------------------------------------
MAX_ORDER_OCTETS = 1024 * 1024  # an order is a few hundred octets
MAX_NOTE = 256 * 1024  # a checkpoint with a hundred cosignatures has 20,000 octets
MAX_URL = 8192  # longer ones are refused by most servers (RFC 9110 §4.1 asks for 8000)

# --- egress -----------------------------------------------------------------------------------
RESOLVE_SECONDS = 10  # two tries of the usual resolver
SECOND_RESOLVER_SECONDS = 5  # only compared: it must not be waited for like ours
TUNNEL_START_SECONDS = 30  # 0.3 s were measured; a loaded machine needs more
TUNNEL_END_SECONDS = 15  # it cuts, writes down, and waits for the second resolver
DISK_SPARED = 64 * 1024 * 1024  # left free on the disk of the transcript
DISK_SHARE = 3  # transcript, its zip and the archive may all lie on one disk
KEY_LOG_OCTETS = (
    16 * 1024 * 1024
)  # 5 lines of 180 octets a connection; a page makes 2,000 at most
CONNECT_SECONDS = 15  # one full TCP retry series of 1+2+4+8 s
MAX_CONNECTIONS = 2000  # a page uses 6 per host; this stops a loop of broken ones
COPY_OCTETS = 64 * 1024  # one read of a socket

# --- job: the capturer, the browser, and all that they start ----------------------------------
TASKS = 1200  # threads count; 190 were measured, and each frame of another site adds 20
PROCESSORS = 4  # more than a page needs; a page that spins in 64 workers gets no more

# --- browser ----------------------------------------------------------------------------------
START_SECONDS = 30  # 0.6 s were measured; a loaded machine needs more
STOP_SECONDS = 3  # after that it is killed
ANSWER_SECONDS = 20  # one command to the browser; a page that spins must not hold us
ARTEFACT_SECONDS = 60  # a PDF of a 20,000 px page took 2 s alone on a machine
MAX_MESSAGE_OCTETS = 1024 * 1024 * 1024  # one message of the debugging pipe
DIAGNOSIS_OCTETS = 4096  # of what the browser wrote before it died

# --- page -------------------------------------------------------------------------------------
VIEWPORT_WIDTH = 1366  # the commonest width of desktop browsers for ten years
VIEWPORT_HEIGHT = 900
LANGUAGE = "zh-CN"  # asked for in Accept-Language unless the order says otherwise
TIME_ZONE = "Asia/Shanghai"
QUIET_SECONDS = 0.5  # no request begun or ended for so long: the page is at rest
QUIET_PATIENCE_SECONDS = 8  # a page that polls is never at rest; the record says so
SCROLL_PAUSE_SECONDS = 0.1  # two frames and an intersection observer
SETTLE_SECONDS = 2  # after we did something on the page: media were asked for, a notice closed
GROWTH_SECONDS = 2  # at the end of a page, until more of it comes
SCROLL_STEPS = 120  # 120 screens: beyond it a list is called endless
SCROLL_PIXELS = 64_000  # four tiles; a longer page is cut, and the record says so
MAX_DIALOGS = 20  # a page that alerts in a loop has made its point
MAX_REDIRECTS_NAMED = 50  # Chromium itself gives up after 20 in a row

# --- bodies -----------------------------------------------------------------------------------
BODY_OCTETS = 128 * 1024 * 1024  # one response; larger ones are recorded without body, by name
BODIES_OCTETS = 384 * 1024 * 1024  # all responses together, decoded: stops a compression bomb
POST_OCTETS = 16 * 1024 * 1024  # one request body
CUT_SECONDS = 2  # until the browser has told which responses the end cut off
BODY_SECONDS = 20  # to fetch outstanding bodies once the page is at rest

# --- artefacts --------------------------------------------------------------------------------
TILE_PIXELS = 16_000  # Chromium paints nothing beyond 16,384 px in one picture
TILE_AREA = 32_000_000  # pixels of one picture, 128 MB unpacked: a usual page's width by 16,000
PICTURE_AREA = 4 * TILE_AREA  # of all of them: 64,000 by 2,000, or the top of a wider page
STRIP_AREA = (
    1366 * 6000
)  # of what is painted at once: the browser needs 20 octets for each pixel
SNAPSHOT_SECONDS = 20  # text, layout, MHTML each: what may be missing may not cost the capture
LAYOUT_NODES = 100_000  # about 50 MB of layout; news pages have 2,000 to 20,000
TEXT_OCTETS = 16 * 1024 * 1024  # a long book has 1 MB
FRAMES = 100  # documents within the page's; a news page full of advertisements has 30
FRAMES_OCTETS = 64 * 1024 * 1024  # of documents, texts and layouts of all frames together
MHTML_OCTETS = 48 * 1024 * 1024  # of what would go into it; the archive has it all anyway
CONSOLE_LINES = 5_000  # a page that says more repeats itself; its console is shut then
CONSOLE_OCTETS = 8 * 1024 * 1024
CONSOLE_TEXT = 4_000  # characters of one line
SOCKET_FRAMES = 20_000  # named one by one; beyond that they are counted only
SOCKET_PAYLOAD_OCTETS = 256 * 1024  # of one frame; of a longer one only the digest is kept
SOCKETS_OCTETS = 32 * 1024 * 1024  # payloads of all sockets; then digests only
EXPANDED_ELEMENTS = 5_000  # media and details that are made to load at once
DOWNLOADS = 10  # that are kept, if the order says so
DOWNLOADS_LISTED = 1_000  # by name, kept or not
DOWNLOAD_OCTETS = 32 * 1024 * 1024  # of one
DOWNLOADS_OCTETS = 64 * 1024 * 1024  # of all
DOWNLOADS_SECONDS = 20  # until those under way are whole
ATTEMPT_OCTETS = 64 * 1024 * 1024  # of the transcript of a capture that failed
FILM_FRAMES = 20_000  # half an hour at 11 a second
FILM_OCTETS = 192 * 1024 * 1024  # 1 MB a second was measured on a page in motion
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip carries no time of its own: the record does

# --- record -----------------------------------------------------------------------------------
MAX_TEXT = 2000  # a title or reason in the record; longer ones are cut and end in an ellipsis

# The program that opens the transcript, once everything is kept.
COMPARING_SECONDS = 60
COMPARING_GRACE_SECONDS = 5  # after the wall limit; the program ends 20 after it
COMPARING_OCTETS = 64 << 20  # of its report
COMPARING_MEMORY_OCTETS = 2 << 30  # addresses, of which most are never touched
