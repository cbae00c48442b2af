"""How each key's value is spelt: the one canonical text for a wish. Empty text: nothing is said."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from runnerkit.labels.values import UNITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.wishes import Range, RunnerSpec


def text(field: str) -> Callable[[RunnerSpec], str]:
    """A writer of a name or a word."""
    return lambda spec: str(getattr(spec, field) or "")


def several(field: str) -> Callable[[RunnerSpec], str]:
    """A writer of alternatives."""
    return lambda spec: "+".join(getattr(spec, field))


def span(field: str) -> Callable[[RunnerSpec], str]:
    """A writer of ``MIN`` or ``MIN+MAX``."""

    def write(spec: RunnerSpec) -> str:
        wish: Range | None = getattr(spec, field)
        if wish is None:
            return ""
        return _number(wish.low) if wish.high is None else f"{_number(wish.low)}+{_number(wish.high)}"

    return write


def duration(field: str) -> Callable[[RunnerSpec], str]:
    """A writer of durations, largest unit first."""

    def write(spec: RunnerSpec) -> str:
        left: int = getattr(spec, field) or 0
        written = ""
        for unit, seconds in UNITS.items():
            count, left = divmod(left, seconds)
            written += f"{count}{unit}" if count else ""
        return written

    return write


def gpu(spec: RunnerSpec) -> str:
    """``2xl4+t4``, or ``0``."""
    if spec.no_gpu:
        return "0"
    return "+".join(wish.model if wish.count == 1 else f"{wish.count}x{wish.model}" for wish in spec.gpu)


def disk(spec: RunnerSpec) -> str:
    """``100gb:io2:3000iops``; gp3 goes without saying."""
    wish = spec.disk
    if wish is None:
        return ""
    options = [
        f"{wish.gb}gb",
        "" if wish.type == "gp3" else wish.type,
        f"{wish.mibps}mibps" if wish.mibps is not None else "",
        f"{wish.iops}iops" if wish.iops is not None else "",
    ]
    return ":".join(filter(None, options))


def price(spec: RunnerSpec) -> str:
    """Dollars."""
    return "" if spec.price is None else _number(spec.price)


def _number(value: float) -> str:
    return format(Decimal(repr(value)), "f").removesuffix(".0")
