"""`python -m guzheng.painter`: warm up, give up every right, then read what a stranger sent.

The order of things is the promise: all that is needed is loaded first; then limits are set and
the kernel is told to refuse whatever is not on a short list of calls (seccomp: neither open nor
socket, fork or exec are on it); only then is the first octet read. What the kernel cannot do
here is told in the answer (`filtered`), and the limits hold all the same.
"""

import ctypes
import importlib
import io
import json
import os
import platform
import resource
import struct
import sys
from typing import Any, BinaryIO, Final

from PIL import Image, ImageChops, ImageOps

from guzheng.proof import canonical

MEMORY: Final = 2 * 1024**3  # two long screenshots, decoded, take 0.9 GB
CPU_SECONDS: Final = 60
_BAND: Final = 512  # rows compared at once
_NOBODY: Final = 65534
_NO_NEW_PRIVS, _SECCOMP, _FILTER = 38, 22, 2
# What a decoder needs of the kernel: memory, its two pipes, time, and to end.
_CALLS: Final[dict[str, tuple[int, tuple[int, ...]]]] = {
    "x86_64": (
        0xC000003E,
        (
            *(0, 1, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 20, 24, 25, 28, 39, 60, 96, 131),
            *(186, 202, 228, 231, 234, 262, 318),
        ),
    ),
    "aarch64": (
        0xC00000B7,
        (
            *(63, 64, 57, 80, 62, 222, 226, 215, 214, 134, 135, 139, 66, 124, 216, 233),
            *(172, 93, 169, 132, 178, 98, 113, 94, 131, 79, 278),
        ),
    ),
}
_BROKEN: Final = (
    *(OSError, ValueError, SyntaxError, KeyError, IndexError, TypeError, AttributeError),
    *(MemoryError, OverflowError, struct.error, EOFError, ImportError, AssertionError),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning, RecursionError),
)


def main() -> int:
    _warm()
    filtered = _confined()
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    line = stdin.readline(4096)
    if not line:  # whoever started this is gone, and wanted nothing
        return 0
    order: dict[str, Any] = json.loads(line)
    pictures = [stdin.read(size) for size in order["sizes"]]
    said: dict[str, object] = {"filtered": filtered}
    drawn = b""
    try:
        if order["do"] == "differ":
            said["differing"] = _differing(pictures[0], pictures[1], order)
        else:
            drawn = _drawn(pictures[0], order)
    except _BROKEN as error:
        said, drawn = said | {"refused": str(error)[:80] or type(error).__name__}, b""
    _answer(stdout, said, drawn)
    return 0


def _answer(out: BinaryIO, said: dict[str, object], drawn: bytes) -> None:
    out.write(canonical.encode(said) + b"\n" + drawn)
    out.flush()


def _opened(octets: bytes, order: dict[str, Any]) -> Image.Image:
    picture = Image.open(io.BytesIO(octets), formats=order["formats"])
    width, height = picture.size
    if width * height > order["pixels"]:
        raise ValueError(f"{width} × {height} pixels")
    return picture


def _drawn(octets: bytes, order: dict[str, Any]) -> bytes:
    """Drawn anew, as JPEG: nothing of its octets but the pixels goes on."""
    box = (order["width"], order["height"])
    with _opened(octets, order) as picture:
        picture.draft("RGB", box)
        shown = ImageOps.exif_transpose(picture) if order["upright"] else picture
        shown = shown.convert("RGB")
    wide, high = shown.size
    if order["head"] and high > wide:  # the head of a long page
        shown = shown.crop((0, 0, wide, wide * box[1] // box[0] or 1))
    shown.thumbnail(box)
    out = io.BytesIO()
    shown.save(out, "JPEG", quality=order["quality"])
    return out.getvalue()


def _differing(one: bytes, other: bytes, order: dict[str, Any]) -> int:
    """How many pixels differ within what both show."""
    with _opened(one, order) as first, _opened(other, order) as second:
        left, right = first.convert("RGB"), second.convert("RGB")
    width, height = (min(pair) for pair in zip(left.size, right.size, strict=True))
    differing = 0
    for top in range(0, height, _BAND):
        box = (0, top, width, min(height, top + _BAND))
        bands = ImageChops.difference(left.crop(box), right.crop(box)).split()
        any_of = ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2])
        differing += sum(any_of.histogram()[1:])
    return differing


# ---- before a stranger's octet is read -----------------------------------------------------


def _warm() -> None:
    """Load what is loaded late, while files can still be opened."""
    for one in ("Jpeg", "Mpo", "Png", "Tiff", "WebP"):
        importlib.import_module(f"PIL.{one}ImagePlugin")
    usual = {"pixels": 100, "width": 4, "height": 4, "upright": True, "head": True}
    for kind in ("JPEG", "PNG", "WEBP"):
        out = io.BytesIO()
        Image.new("RGB", (8, 8)).save(out, kind, exif=Image.Exif())
        _drawn(out.getvalue(), usual | {"formats": [kind], "quality": 75})
    json.loads(canonical.encode({"—": 1}))


def _confined() -> bool:
    """Give up what this program does not need; whether the kernel filters its calls."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(kind, (0, 0))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return _filtered(libc)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _filtered(libc: ctypes.CDLL) -> bool:
    """Whatever is not listed is refused with EPERM (seccomp(2), classic BPF)."""
    known = _CALLS.get(platform.machine())
    if known is None:
        return False
    architecture, calls = known
    allow, refuse = (0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050001)
    lines = [
        (0x20, 0, 0, 4),  # load the architecture
        (0x15, 1, 0, architecture),
        refuse,
        (0x20, 0, 0, 0),  # load the number of the call
        *((0x15, len(calls) - at, 0, number) for at, number in enumerate(calls)),
        refuse,
        allow,
    ]
    octets = b"".join(struct.pack("=HBBI", *one) for one in lines)
    kept = ctypes.create_string_buffer(octets, len(octets))
    program = _Program(len(lines), ctypes.addressof(kept))
    return int(libc.prctl(_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)) == 0


if __name__ == "__main__":
    sys.exit(main())
