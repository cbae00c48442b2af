"""Draws Vega-Lite as SVG and PNG, on this machine alone: no data and no font is fetched from anywhere."""

from __future__ import annotations

from typing import Any

from runnerkit import extras
from runnerkit.errors import ConfigError

VEGA_LITE = "v5.20"
SCALE = 2.0  # sharp on the screens of today
HINT = extras.hint("report")


def can_draw() -> bool:
    """Whether what draws is installed."""
    return extras.has("report")


def drawn(spec: dict[str, Any]) -> tuple[str, bytes]:
    """A specification as SVG and as PNG.

    Raises:
        ConfigError: What draws is not installed.
        ValueError: It cannot be drawn, for example because it asks for data from elsewhere.
    """
    if not can_draw():
        raise ConfigError("plots cannot be drawn without the package vl-convert-python", hint=HINT)
    if _shows_images(spec):
        raise ValueError("it shows images from elsewhere, and nothing is fetched for a report")
    import vl_convert

    # An empty list allows no address; without it a template could have this machine fetch whatever it names.
    vector = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[])
    return vector, bytes(vl_convert.svg_to_png(vector, scale=SCALE))


def _shows_images(said: object) -> bool:
    """Whether a mark anywhere in a specification is an image: the list of allowed addresses does not hold for those."""
    if isinstance(said, list):
        return any(_shows_images(each) for each in said)
    if not isinstance(said, dict):
        return False
    marked = any(said.get(name) == "image" for name in ("mark", "type"))
    # Data are no marks, and there may be many of them.
    return marked or any(_shows_images(each) for name, each in said.items() if name not in {"values", "datasets"})
