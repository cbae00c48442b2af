"""The life of a machine as a picture: a box for each phase, and beside it where it leads and why. Plain SVG."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

WIDTH = 640
BOX = (150, 40)
CHIP = (108, 26)
ROW = 34
GAP = 40
LEFT, CHIPS, REASONS = 24, 240, 360
CAPACITY, PLAIN, END = "#d7f0dd", "#eef1f4", "#d5d9de"
STYLE = """\
text { font: 14px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1f2328; }
.phase { font-weight: 600; text-anchor: middle; }
.why { fill: #57606a; }
rect { stroke: #8c959f; }
path { stroke: #57606a; fill: none; marker-end: url(#head); }
"""


def picture(usual: Sequence[str], steps: Mapping[tuple[str, str], str], capacity: Sequence[str], ended: str) -> str:
    """Draw all phases that steps name.

    Args:
        usual: The phases of a machine that nothing happens to, in their order; they stand first, one leads to the next.
        steps: From phase to phase, and what makes it happen.
        capacity: The phases that are drawn as capacity.
        ended: The phase after which nothing comes.
    """
    others = dict.fromkeys(name for step in steps for name in step if name not in usual)
    shades = {name: CAPACITY if name in capacity else END if name == ended else PLAIN for name in (*usual, *others)}
    rows, height = [], 24
    for name, after in zip((*usual, *others), (*usual[1:], *("" for _ in others), ""), strict=True):
        exits = [(end, why) for (start, end), why in steps.items() if start == name and end != after]
        rows += [*_phase(name, shades, height), *_exits(exits, shades, height)]
        tall = max(BOX[1], len(exits) * ROW)
        if after:
            rows += _down(height, tall, steps[name, after])
        height += tall + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-label="The phases of a machine, and what leads from one to the next">'
    )
    arrow = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" style="fill: #57606a; stroke: none; marker-end: none"/></marker></defs>'
    )
    # A sheet of its own, so that it can be read on a dark page as well.
    sheet = f'<rect width="{WIDTH}" height="{height}" rx="8" style="fill: #fff; stroke: none"/>'
    return "\n".join((head, f"<style>{STYLE}</style>", arrow, sheet, *rows, "</svg>", ""))


def _phase(name: str, shades: Mapping[str, str], top: int) -> Iterator[str]:
    wide, high = BOX
    yield f'<rect x="{LEFT}" y="{top}" width="{wide}" height="{high}" rx="8" fill="{shades[name]}"/>'
    yield f'<text class="phase" x="{LEFT + wide // 2}" y="{top + high // 2 + 5}">{escape(name)}</text>'


def _exits(exits: Sequence[tuple[str, str]], shades: Mapping[str, str], top: int) -> Iterator[str]:
    wide, high = CHIP
    edge, middle = LEFT + BOX[0], top + BOX[1] // 2
    for place, (name, why) in enumerate(exits):
        level = middle + place * ROW
        bend = f"M{edge} {middle} H{edge + 24} V{level} H{CHIPS - 4}" if place else f"M{edge} {middle} H{CHIPS - 4}"
        yield f'<path d="{bend}"/>'
        yield f'<rect x="{CHIPS}" y="{level - 13}" width="{wide}" height="{high}" rx="13" fill="{shades[name]}"/>'
        yield f'<text class="phase" x="{CHIPS + wide // 2}" y="{level + 5}">{escape(name)}</text>'
        yield f'<text class="why" x="{REASONS}" y="{level + 5}">{escape(why)}</text>'


def _down(top: int, tall: int, why: str) -> Iterator[str]:
    """The arrow to the next of the usual phases."""
    middle, start, end = LEFT + BOX[0] // 2, top + BOX[1], top + tall + GAP - 4
    yield f'<path d="M{middle} {start} V{end}"/>'
    yield f'<text class="why" x="{middle + 12}" y="{end - 10}">{escape(why)}</text>'
