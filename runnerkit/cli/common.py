"""What every command shares: options, configuration, errors for people or programs, and the way out."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from runnerkit.errors import RunnerkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runnerkit.config import Config
    from runnerkit.ports import Events

PARTLY = 9

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of tables for people.")]
ConfigPath = Annotated[
    Path | None, typer.Option("--config", "-c", help="The configuration file instead of ./runnerkit.toml.")
]
Repo = Annotated[
    list[str] | None, typer.Option("--repo", "-r", help="Repository as OWNER/NAME; may be given several times.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen; start and end nothing.")]


def configuration(path: Path | None) -> Config:
    """The configuration as this process sees it."""
    from runnerkit.config import load

    return load(os.environ, Path.cwd(), path)[0]


def repositories(config: Config, given: Sequence[str] | None) -> Sequence[str]:
    """The repositories of the command line, or else of the configuration; there must be one."""
    from runnerkit.app import needs_repositories

    return needs_repositories(given or config.github.repositories)


def narrator(*, as_json: bool) -> Events:
    """Who tells what happens: sentences for people, or a log on standard error for programs."""
    from runnerkit.system import SeveralEvents, SilentEvents

    if sys.stderr is None:  # a closed descriptor: nobody listens, and that must not cost a machine
        return SilentEvents()
    if as_json or os.environ.get("RUNNERKIT_LOG"):
        from runnerkit.system import LogEvents

        as_lines = os.environ.get("RUNNERKIT_LOG", "json") == "json"
        return SeveralEvents(LogEvents(sys.stderr, as_json=as_lines))
    from runnerkit.cli.say import Narrator

    return SeveralEvents(Narrator(sys.stderr))


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can say
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=None if not sys.stdout.isatty() else 2, default=str) + "\n")
    sys.stdout.flush()


@contextmanager
def ending_well(*, as_json: bool) -> Iterator[None]:
    """Turn our errors into a message, a hint and a documented exit code; never a traceback."""
    try:
        with _terminable():
            yield
    except RunnerkitError as error:
        fail(error, as_json=as_json)
    except KeyboardInterrupt:
        fail(Interrupted(), as_json=as_json)


@contextmanager
def _terminable() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C, so that what is half done is taken back; GitHub sends both when a job is cancelled."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


class Interrupted(RunnerkitError):
    """Somebody pressed Ctrl-C or sent SIGTERM."""

    code = "interrupted"
    exit_code = 130

    def __init__(self) -> None:
        super().__init__(
            "interrupted; a machine that was launched stays until its leases end",
            hint="`runnerkit status` shows it, `runnerkit terminate` ends it, the same launch again adopts it",
        )


def fail(error: RunnerkitError, *, as_json: bool) -> NoReturn:
    """Tell what happened, why and what to do next, and end with the error's exit code."""
    if as_json:
        print_json({"error": error.as_dict()})
    else:
        from runnerkit.cli.say import tell_error

        tell_error(error, sys.stderr)
    raise typer.Exit(error.exit_code)
