"""Texts in the fonts at hand: how wide they are, what is cut, how they are drawn."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import groupby

from PIL import Image, ImageDraw, ImageFont

# regular and bold files, in the order in which they are tried; Pillow looks for them in the system's folders
FAMILIES = (
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"),
    ("NotoSans-Regular.ttf", "NotoSans-Bold.ttf"),
    ("Arial.ttf", "Arial Bold.ttf"),  # macOS
    ("arial.ttf", "arialbd.ttf"),  # Windows
    ("NotoSansCJK-Regular.ttc", "NotoSansCJK-Bold.ttc"),
    ("NotoSansCJKsc-Regular.otf", "NotoSansCJKsc-Bold.otf"),
    ("wqy-zenhei.ttc", ""),
    ("wqy-microhei.ttc", ""),
    ("DroidSansFallbackFull.ttf", ""),
    ("PingFang.ttc", ""),
    ("Hiragino Sans GB.ttc", ""),
    ("Arial Unicode.ttf", ""),
    ("msyh.ttc", "msyhbd.ttc"),
    ("YuGothR.ttc", "YuGothB.ttc"),
    ("malgun.ttf", "malgunbd.ttf"),
)
BUNDLED = ""  # stands for the font that Pillow brings
ELLIPSIS = "…"
MISSING = "\uffff"  # no font has it, so every font draws its sign for a letter that it lacks, mostly a box
# letters that may be written by others where no font has them
SPELLED = {"≥": ">=", "≤": "<=", "−": "-", "–": "-", "—": "-", "→": "->", "←": "<-", "×": "x", "ß": "ss", "„": '"'}
# marks on letters -> signs to put there where no font has the letter, and by what share of the size to raise them
MARKS = {
    "\u0300": ("`", 0.0),
    "\u0301": ("´", 0.0),
    "\u0302": ("^", 0.22),
    "\u0303": ("~", 0.25),
    "\u0308": ("··", 0.32),
    "\u030a": ("°", 0.05),
    "\u0327": (",", 0.0),
}
PROBE = 32  # size in which it is looked up whether a font has a letter
MAX_LETTERS = 400  # letters of a text that is cut, at most


@dataclass(frozen=True)
class Piece:
    """A part of a text in one font."""

    text: str  # the part
    font: ImageFont.FreeTypeFont  # its font
    is_thickened: bool  # whether it is drawn twice, a pixel apart, as its font has no bold letters
    x: float  # where it begins
    raised: float = 0.0  # how far above the baseline


def text_length(text: str, size: float, is_bold: bool = False) -> float:
    """How wide a text is."""
    return _set(text, size, is_bold)[1]


def draw_text(
    pen: ImageDraw.ImageDraw, x: float, y: float, text: str, size: float, is_bold: bool = False, colour: str = "black"
) -> None:
    """Draw a text that begins at x and stands on y."""
    for piece in _set(text, size, is_bold)[0]:
        for shift in (0, 1) if piece.is_thickened else (0,):
            pen.text((x + piece.x + shift, y - piece.raised), piece.text, colour, piece.font, "ls")


def cut(text: str, size: float, length: float, is_bold: bool = False) -> str:
    """A text on one line, with an ellipsis in its middle where it is too wide."""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    if text_length(text, size, is_bold) <= length:
        return text
    for n_kept in range(min(len(text) - 1, MAX_LETTERS), 1, -1):
        head = n_kept - n_kept // 3
        short = text[:head].rstrip() + ELLIPSIS + text[len(text) - n_kept // 3 :].lstrip()
        if text_length(short, size, is_bold) <= length:
            return short
    return ELLIPSIS


@lru_cache(maxsize=4096)
def _set(text: str, size: float, is_bold: bool) -> tuple[tuple[Piece, ...], float]:
    """A text's pieces from left to right, and its width."""
    pieces: list[Piece] = []
    x = 0.0
    glyphs = "".join(_glyphs(letter, is_bold) for letter in unicodedata.normalize("NFC", text))
    for file, letters in groupby(glyphs, lambda letter: _file_with(letter, is_bold)):
        if file is not None:
            pieces.append(_piece("".join(letters), file, size, is_bold, x))
            x += pieces[-1].font.getlength(pieces[-1].text)
            continue
        for letter in letters:
            base, sign = _marked(letter, size, is_bold, x)
            pieces += [base, sign]
            x += base.font.getlength(base.text)
    return tuple(pieces), x + any(piece.is_thickened for piece in pieces)


@cache
def _glyphs(letter: str, is_bold: bool) -> str:
    """What is drawn for a letter: itself, others that spell it, itself out of a base and a mark, or a box."""
    if _file_with(letter, is_bold) is not None:
        return letter
    if letter in SPELLED:
        return SPELLED[letter]
    base, *marks = list(unicodedata.normalize("NFD", letter))
    return letter if len(marks) == 1 and marks[0] in MARKS and _has(BUNDLED, base) else MISSING


def _marked(letter: str, size: float, is_bold: bool, x: float) -> tuple[Piece, Piece]:
    """The base of a letter, and a sign like its mark above or below."""
    base, mark = list(unicodedata.normalize("NFD", letter))
    sign, raised = MARKS[mark]
    if base.isupper() and sign != ",":
        raised += 0.2
    below, above = (_piece(part, BUNDLED, size, is_bold, x) for part in (base, sign))
    middle = x + (below.font.getlength(base) - above.font.getlength(sign)) / 2
    return below, replace(above, x=middle, raised=raised * size)


def _piece(text: str, file: str, size: float, is_bold: bool, x: float) -> Piece:
    return Piece(text, _open(file, size), is_bold and file not in {bold for _, bold in FAMILIES}, x)


@cache
def _file_with(letter: str, is_bold: bool) -> str | None:
    """The first font that has a letter; blanks and the sign for what is missing are in the first of all."""
    return next((file for file in _files(is_bold) if letter in (" ", MISSING) or _has(file, letter)), None)


@cache
def _files(is_bold: bool) -> tuple[str, ...]:
    """The fonts that are there; of a family without bold letters the regular one."""
    found = []
    for regular, bold in FAMILIES:
        names = (bold, regular) if is_bold and bold else (regular,)
        found += [name for name in names if _is_there(name)][:1]
    return (*found, BUNDLED)


def _is_there(file: str) -> bool:
    try:
        _open(file, PROBE)
    except OSError:
        return False
    return True


@cache
def _open(file: str, size: float) -> ImageFont.FreeTypeFont:
    if file != BUNDLED:
        return ImageFont.truetype(file, size)
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # with a size given, Pillow raises where it has no FreeType
    return font


def _has(file: str, letter: str) -> bool:
    """Whether a font draws a letter otherwise than one that it lacks; no font is asked for what cannot be printed."""
    return letter.isprintable() and _ink(file, letter) not in (_ink(file, MISSING), _ink(file, " "))


def _ink(file: str, letter: str) -> bytes:
    board = Image.new("L", (3 * PROBE, 3 * PROBE))
    ImageDraw.Draw(board).text((PROBE, 2 * PROBE), letter, 255, _open(file, PROBE), "ls")
    return board.tobytes()
