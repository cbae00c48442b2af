"""What every command shares: options, configuration, errors for people or programs, and the way out."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from runnerkit.errors import ConfigError, RunnerkitError
from runnerkit.plain import in_json, lines, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runnerkit.config import Config
    from runnerkit.ports import Events

PARTLY = 9
LOOK_EVERY = 0.1
# Windows has no terminals that hang up.
ENDING = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
ENDED = "interrupted; the sandbox has ended with everything in it"

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
    from runnerkit.settings import SERVED

    for repo in given or ():
        if not SERVED.fullmatch(repo):
            hint = "write owner/name, for example octo-org/train, without a host and without .git"
            raise ConfigError(f"{repo!r} is not a repository name", hint=hint)
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


def echo(text: str, *, err: bool = False) -> None:
    """Print what may quote others: labels, titles, answers of AWS."""
    typer.echo(lines(text), err=err)


def order(line: str, *, err: bool = False) -> None:
    """Print a line of ours that may be an order to GitHub's runner, such as ``::notice::``; what it quotes is none."""
    typer.echo(f"::{one_line(line[2:])}" if line.startswith("::") else lines(line), err=err)


def aside(line: str) -> None:
    """Tell people a line beside the result; where nobody listens, that costs no machine."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can say
    """One JSON document on standard output, where there is one."""
    if sys.stdout is None:
        return
    text = json.dumps(value, indent=None if not sys.stdout.isatty() else 2, default=str)
    sys.stdout.write(in_json(text) + "\n")
    sys.stdout.flush()


@contextmanager
def ending_well(*, as_json: bool, interrupted: str = "") -> Iterator[None]:
    """Turn our errors into a message, a hint and a documented exit code; never a traceback.

    ``interrupted`` is told after Ctrl-C by commands whose end takes everything back, instead of what is true of those
    that launch. Nothing disturbs that end: a second Ctrl-C is too late to change anything.
    """
    try:
        with _terminable(_interrupt_once if interrupted else _interrupt):
            yield
    except RunnerkitError as error:
        fail(error, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):  # a question that is answered by Ctrl-C or an end of input
        fail(Interrupted(interrupted), as_json=as_json)


@contextmanager
def _terminable(interrupt: Callable[[int, object], None]) -> Iterator[None]:
    """Treat SIGTERM and the end of the terminal as Ctrl-C, so that what is half done is taken back.

    GitHub sends SIGINT and SIGTERM when a job is cancelled. What is ignored stays ignored: ``nohup`` means it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    heard = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    for number in heard:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in heard.items():
            if signal.getsignal(number) is interrupt:
                signal.signal(number, handler)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _interrupt_once(_number: int, _frame: object) -> NoReturn:
    # A handler, for a signal that is ignored would stay ignored in what we start.
    for number in ENDING:
        signal.signal(number, _too_late)
    raise KeyboardInterrupt


def _too_late(_number: int, _frame: object) -> None:
    pass


def until_told() -> None:
    """Wait for Ctrl-C or SIGTERM, both of which mean a good end here."""
    # Short waits: one that is long does not end when another thread is chosen to take the signal.
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(LOOK_EVERY)


class Misused(RunnerkitError):
    """A command was called with words that it does not understand; nothing was done."""

    code = "usage"
    exit_code = 2


class Interrupted(RunnerkitError):
    """Somebody pressed Ctrl-C or sent SIGTERM."""

    code = "interrupted"
    exit_code = 130

    MESSAGE = "interrupted; a machine that was launched stays until its leases end"
    HINT = "`runnerkit status` shows it, `runnerkit terminate` ends it, the same launch again adopts it"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.MESSAGE, hint="" if message else self.HINT)


def fail(error: RunnerkitError, *, as_json: bool) -> NoReturn:
    """Tell what happened, why and what to do next, and end with the error's exit code."""
    if as_json:
        print_json({"error": error.as_dict()})
    else:
        tell(error)
    raise typer.Exit(error.exit_code)


def tell(error: RunnerkitError) -> None:
    """Tell people of an error; the exit code says the same where nobody listens."""
    from runnerkit.cli.say import tell_error

    if sys.stderr is not None:
        with suppress(OSError):
            tell_error(error, sys.stderr)
