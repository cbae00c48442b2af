"""The colours of terminals, as HTML with classes (the pages' policy forbids styles in elements)."""

import re
from dataclasses import dataclass, replace

from markupsafe import Markup, escape

ESCAPE = re.compile(r"\x1b\[([0-9;:]*)([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.?")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
ADDRESS = re.compile(r"https?://[^\s<>\"'`\x1b]*[^\s<>\"'`\x1b.,;:!?)\]}]")
# What 8- and 24-bit colours are brought down to: the sixteen that a terminal's user can choose.
SIXTEEN = (
    *((0, 0, 0), (205, 49, 49), (13, 188, 121), (229, 229, 16), (36, 114, 200), (188, 63, 188), (17, 168, 205)),
    *((229, 229, 229), (102, 102, 102), (241, 76, 76), (35, 209, 139), (245, 245, 67), (59, 142, 234)),
    *((214, 112, 214), (41, 184, 219), (255, 255, 255)),
)
CUBE = (0, 95, 135, 175, 215, 255)
SIMPLE = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 9: "strike"}
ENDS = {22: {"bold", "dim"}, 23: {"italic"}, 24: {"underline"}, 29: {"strike"}}


@dataclass(frozen=True, slots=True)
class Pen:
    """How the next characters are written."""

    front: int | None = None
    back: int | None = None
    flags: frozenset[str] = frozenset()

    @property
    def classes(self) -> str:
        """The classes of the style sheet that look so."""
        colours = ([] if self.front is None else [f"fg{self.front}"]) + (
            [] if self.back is None else [f"bg{self.back}"]
        )
        return " ".join([*colours, *sorted(self.flags)])


def to_html(text: str) -> Markup:
    """Turn one line with colour sequences into HTML; all other control sequences are dropped."""
    pen, parts, end = Pen(), [], 0
    for found in ESCAPE.finditer(text):
        parts.append(_written(text[end : found.start()], pen))
        end = found.end()
        if found[2] == "m":
            pen = _changed(pen, found[1] or "")
    parts.append(_written(text[end:], pen))
    return Markup().join(parts)


def _written(text: str, pen: Pen) -> Markup:
    text = CONTROL.sub("", text)
    if not text:
        return Markup()
    html = _linked(text)
    return Markup('<span class="{}">{}</span>').format(pen.classes, html) if pen.classes else html


def _linked(text: str) -> Markup:
    parts, end = [], 0
    for found in ADDRESS.finditer(text):
        parts += [escape(text[end : found.start()]), _link(found[0])]
        end = found.end()
    return Markup().join([*parts, escape(text[end:])])


def _link(address: str) -> Markup:
    return Markup('<a href="{0}" rel="noreferrer noopener nofollow">{0}</a>').format(address)


def _changed(pen: Pen, codes: str) -> Pen:
    numbers = [int(each or 0) for each in codes.replace(":", ";").split(";")]
    while numbers:
        code = numbers.pop(0)
        if code in {38, 48}:
            colour, numbers = _wide(numbers)
            pen = replace(pen, front=colour) if code == 38 else replace(pen, back=colour)  # noqa: PLR2004 - SGR's code
        else:
            pen = _simple(pen, code)
    return pen


def _simple(pen: Pen, code: int) -> Pen:
    tens, ones = divmod(code, 10)
    colour = (None if ones == 9 else ones + (8 if tens > 4 else 0)) if ones != 8 else None  # noqa: PLR2004 - SGR's codes
    if code == 0:
        return Pen()
    if code in SIMPLE:
        return replace(pen, flags=pen.flags | {SIMPLE[code]})
    if code in ENDS:
        return replace(pen, flags=pen.flags - ENDS[code])
    if tens in {3, 9}:
        return replace(pen, front=colour)
    if tens in {4, 10}:
        return replace(pen, back=colour)
    return pen


def _wide(numbers: list[int]) -> tuple[int | None, list[int]]:
    if numbers[:1] == [5] and len(numbers) > 1:
        return _of_256(numbers[1]), numbers[2:]
    if numbers[:1] == [2] and len(numbers) > 3:  # noqa: PLR2004 - red, green and blue follow
        return _nearest((numbers[1], numbers[2], numbers[3])), numbers[4:]
    return None, []


def _of_256(number: int) -> int | None:
    if number < 16:  # noqa: PLR2004 - the table's layout is the terminal's
        return number
    if number < 232:  # noqa: PLR2004 - the table's layout is the terminal's
        number -= 16
        return _nearest((CUBE[number // 36], CUBE[number // 6 % 6], CUBE[number % 6]))
    grey = 8 + (min(number, 255) - 232) * 10
    return _nearest((grey, grey, grey))


def _nearest(colour: tuple[int, int, int]) -> int:
    def distance(index: int) -> int:
        return sum((a - b) ** 2 for a, b in zip(SIXTEEN[index], colour, strict=True))

    return min(range(16), key=distance)
