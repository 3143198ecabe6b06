"""Which fonts a certificate is set in: the machine's, or those that came with the wheel.

Debian's fonts-noto-cjk is used when its four files are there; else the regular faces of the
PyPI package pylopdf-fonts-zh-cn (both SIL Open Font License 1.1), so that certificates can be
made without root. Only these files are shown to typst, never whatever else is installed: the
same facts give the same bytes on two machines with the same fonts.
"""

from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from guzheng.certify.glyphs import drawn_by
from guzheng.refusals import Unavailable

DEBIAN = Path("/usr/share/fonts/opentype/noto")
_DEBIAN_FILES = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJK-Bold.ttc",
    "NotoSerifCJK-Regular.ttc",
    "NotoSerifCJK-Bold.ttc",
)


@dataclass(frozen=True, slots=True)
class Face:
    """A folder of fonts, the two families used from it, and the code points they draw."""

    folder: Path
    sans: str
    serif: str
    bold: bool
    drawn: frozenset[int]


def find_face(debian: Path = DEBIAN) -> Face:
    """The fonts to use. `Unavailable` when neither set is there."""
    if all((debian / name).is_file() for name in _DEBIAN_FILES):
        return Face(
            folder=debian,
            sans="Noto Sans CJK SC",
            serif="Noto Serif CJK SC",
            bold=True,
            drawn=drawn_by(debian / _DEBIAN_FILES[0]),
        )
    return packaged_face()


def packaged_face() -> Face:
    """The fonts of the PyPI package: regular only, the template thickens what is bold."""
    try:
        found = files("pylopdf_fonts_zh_cn") / "NotoSansSC-Regular.otf"
    except ModuleNotFoundError as error:
        raise Unavailable(
            "certify.no-fonts",
            expected="Debian's fonts-noto-cjk or the package pylopdf-fonts-zh-cn",
            found="neither",
            act="install one of them",
        ) from error
    with as_file(found) as regular:
        return Face(
            folder=regular.parent,
            sans="Noto Sans SC",
            serif="Noto Serif SC",
            bold=False,
            drawn=drawn_by(regular),
        )
