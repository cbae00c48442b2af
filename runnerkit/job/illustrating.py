"""Puts pictures, links and the project's own Markdown into a report."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError
from runnerkit.job.document import Section, cut
from runnerkit.job.pictures import IMAGES, Gallery, gathered, take_image
from runnerkit.job.placing import Placed
from runnerkit.job.versions import Base, declared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from runnerkit.job.pictures import Draw, Picture
    from runnerkit.job.pipeline import Project
    from runnerkit.job.reporting import Report

LONGEST_TEXT = 1_000_000  # bytes: what the step summary holds at most
_IMAGE = re.compile(r"!\[([^\]\n]*)\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_HREF = re.compile(r"https?://[^\s<>()\"'\\]+")


def illustrate(
    report: Report,
    project: Project,
    *,
    draw: Draw | None,
    put: Callable[[Sequence[Picture]], Placed] | None,
    texts: Sequence[Path] = (),
    base: str = "",
) -> None:
    """Make the pictures and bring them to where they are shown from.

    Args:
        report: What they are for.
        project: Where they are from.
        draw: Draws plots; None where nothing can.
        put: Brings them somewhere; None when there shall be none, so that plots stay text.
        texts: Files of Markdown that become a part of the report, with the images of the project that they name.
        base: What curves are compared with.

    Raises:
        ConfigError: A file of Markdown cannot be read.
    """
    read = {path: _text(path) for path in texts}
    gallery, named = Gallery(), {}
    if put is not None:
        before = Base.find(project, report.place, base)
        gallery = gathered(project, declared(project).plots, before, draw, report.base or "base")
        named = {path: _images(text, path.parent, project.root, gallery) for path, text in read.items()}
        report.pictures = gallery.pictures
        report.placed = put(gallery.pictures) if gallery.pictures else Placed()
        report.problems += gallery.problems
    for path, text in read.items():
        report.texts.append(Section("", _linked(text, named.get(path, {}), report.placed)))
    inside = {name for names in named.values() for name in names.values()}
    if report.placed.shown:
        report.pictures = [each for each in report.pictures if each.name not in inside]


def _text(path: Path) -> str:
    try:
        raw = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint="--text names a file of Markdown") from error
    # A comment of ours is known by its markers, so nobody else's text may bring one.
    return cut(raw.replace("<!-- runnerkit:", "<!-- "), LONGEST_TEXT)


def _images(text: str, folder: Path, root: Path, gallery: Gallery) -> dict[str, str]:
    """The pictures' names by how a text names its local images; those outside of the repository are left alone."""
    found: dict[str, str] = {}
    for _, target in _IMAGE.findall(text):
        file = (folder / target).resolve()
        inside = "://" not in target and file.is_relative_to(root.resolve()) and file.suffix.lower() in IMAGES
        if inside and target not in found and file.is_file() and take_image(gallery, file, target):
            found[target] = gallery.pictures[-1].name
    return found


def _linked(text: str, names: Mapping[str, str], placed: Placed) -> str:
    def linked(match: re.Match[str]) -> str:
        address = placed.links.get(names.get(match[2], ""), "")
        if not address:
            return match[0]
        return f"{'!' if placed.shown else ''}[{match[1]}]({address})"

    return _IMAGE.sub(linked, text)


def link(said: str) -> tuple[str, str]:
    """A title and its address, from ``TITLE=ADDRESS``.

    Raises:
        ConfigError: It is not that, or no address of the web.
    """
    title, separator, address = said.partition("=")
    if not separator or not title.strip() or not _HREF.fullmatch(address.strip()):
        raise ConfigError(f"--link {said} is no link", hint="write TITLE=https://...")
    return title.strip(), address.strip()
