"""What ``ami`` needs beside its commands: the log of a bake, and what recipes would put in just now."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from runnerkit.consoles import LONGEST_LINE, shown
from runnerkit.errors import ForgeError, RunnerkitError
from runnerkit.events import BakeOutput, BakeStageBegan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from runnerkit.baking.ports import Builders
    from runnerkit.baking.shelf import Present
    from runnerkit.config import Config
    from runnerkit.events import Event
    from runnerkit.model import Release
    from runnerkit.ports import Clock


class BakeLog:
    """Keeps what the steps print in a file of this user, and says it aloud when asked to.

    Neither gets control sequences, which a terminal would obey, nor what looks like a secret. A log that cannot be
    written is no reason to stop.
    """

    def __init__(self, path: Path, *, aloud: bool) -> None:
        self.path = path
        self.used = False
        self._aloud = aloud
        self._file: TextIO | None = None
        self._line = ""

    def __enter__(self) -> Self:
        with suppress(OSError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A log of its own: the second of two bakes in one second goes without.
            kept = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._file = os.fdopen(kept, "w", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish_line()
        if self._file is None:
            self.used = False
            return
        with suppress(OSError):
            self._file.close()
        if not self.used:
            self.path.unlink(missing_ok=True)
        elif isinstance(error, RunnerkitError):
            error.hint = "; ".join(filter(None, (error.hint, f"everything that was printed: {self.path}")))

    def emit(self, event: Event) -> None:
        """Write it down."""
        if isinstance(event, BakeStageBegan):
            self._finish_line()
            self._say(f"=== {event.stage}\n")
        elif isinstance(event, BakeOutput):
            self.used = True
            # Whole lines: a sequence or a secret may come in two parts.
            said, end, self._line = (self._line + event.text).rpartition("\n")
            self._say(shown(said + end))
            if len(self._line) > LONGEST_LINE:
                self._finish_line()

    def _finish_line(self) -> None:
        line, self._line = self._line, ""
        if line:
            self._say(shown(line) + "\n")

    def _say(self, text: str) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.write(text)
                self._file.flush()
        if self._aloud and sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()


def present(builders: Builders, name: str, region: str, source: str, arch: str) -> Present:
    """What a recipe would put into an image now, and on which base; None for what cannot be found out here."""
    from runnerkit import __version__
    from runnerkit.baking import recipe_files
    from runnerkit.baking.recipe import Base
    from runnerkit.baking.shelf import Present
    from runnerkit.baking.steps import content_digest

    content = base = None
    with suppress(RunnerkitError):
        content = content_digest(recipe_files.load(name, recipe_files.folders(Path.cwd())), __version__)
    with suppress(RunnerkitError, ValueError):
        base = builders.base(Base.model_validate(source), region, arch).id
    return Present(content, base)


def releases_of(settings: Config, repos: Sequence[str], clock: Clock) -> Sequence[Release]:
    """The releases of GitHub's runner; empty, and said so, when GitHub cannot be asked."""
    from runnerkit import app as wiring

    if not repos:
        sys.stderr.write("warning: no repository is known, so GitHub's newest runner is not: give --repo OWNER/NAME\n")
        return ()
    try:
        return wiring.forge(settings, clock, repos).releases(repos[0])
    except ForgeError as error:
        sys.stderr.write(f"warning: GitHub's newest runner is not known: {error.message}\n")
        return ()
