"""The command line's root: the common options, and where each command is."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any, cast

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from runnerkit import __version__
from runnerkit.cli.common import Misused, echo, fail

# Modules of this package; each has a function of the command's name, or a group of commands called `app`.
COMMANDS = {
    "setup": "setup",
    "doctor": "doctor",
    "init": "init",
    "launch": "launch",
    "once": "loop",
    "run": "loop",
    "serve": "serve",
    "plan": "loop",
    "sweep": "loop",
    "status": "machines",
    "resume": "resume",
    "why": "why",
    "cost": "cost",
    "logs": "inside",
    "connect": "inside",
    "terminate": "machines",
    "offerings": "market",
    "demo": "demo",
    "interrupt": "interrupt",
    "simulate": "simulate",
    "sandbox": "sandbox",
    "dvc": "dvc",
    "credentials": "credentials",
    "report": "report",
    "gate": "gate",
    "publish": "publish",
    "notify": "notify",
    "promote": "promote",
    "lock": "lock",
    "runs": "runs",
    "batch": "batch",
    "ami": "ami",
    "config": "show",
    "completion": "completion",
}
# What every mistake in the words of a command is; typer exports only this kind of it.
USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
EXIT_CODES = """Exit codes: 0 done - 1 unexpected - 2 bad usage, configuration or label - 3 refused by policy -
4 no capacity - 5 GitHub refused - 6 AWS refused - 7 a deadline passed - 8 try again later - 9 done in part -
10 the pipeline failed - 11 spot interruption - 12 no usable image -
13 a gate does not hold - 14 there is work (`dvc check --exit-code`) - 15 a failure that `doctor` found -
130 interrupted."""


class _Group(TyperGroup):
    """A group whose own flags are off rather than absent: typer imports pydantic to convert an absent one."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - the context of typer's own click
        params = list(super().get_params(ctx))
        for param in params:
            if getattr(param, "is_flag", False) and param.default is None:
                param.default = False
        return params


class _Commands(Mapping[str, Any]):
    """Every command by its name; one is imported and read by typer when it is asked for, which takes time."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - a command of typer's own click
        return _read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Root(_Group):
    """The group of all commands, which reads none but the one that is called."""

    def __init__(self, **told: Any) -> None:  # noqa: ANN401 - typer's own
        super().__init__(**told)
        self.commands = cast("Any", _Commands())

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the context of typer's own click
        as_json = "--json" in ctx.args
        try:
            return super().invoke(ctx)
        except USAGE_ERROR as error:
            if not as_json:
                raise
            where = (error.ctx or ctx).command_path
            fail(Misused(error.format_message(), hint=f"`{where} -h` shows how"), as_json=True)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - the context of typer's own click
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer's own click
        outlines: dict[str, Any] = {name: TyperCommand(name=name, help=_help(name)) for name in COMMANDS}
        TyperGroup(commands=outlines).format_commands(ctx, formatter)


def _found(name: str) -> Any:  # noqa: ANN401 - a function of any parameters, or a typer.Typer
    module = import_module(f"runnerkit.cli.{COMMANDS[name]}")
    return vars(module).get("app") or getattr(module, name)


def _help(name: str) -> str:
    found = _found(name)
    return str(found.info.help if isinstance(found, typer.Typer) else inspect.getdoc(found))


@cache
def _read(name: str) -> Any:  # noqa: ANN401 - a command of typer's own click
    alone, found = typer.Typer(rich_markup_mode=None), _found(name)
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name, cls=found.info.cls if isinstance(found.info.cls, type) else _Group)
    else:
        alone.command(name)(found)
    return typer.main.get_group(alone).commands[name]


app = typer.Typer(
    name="runnerkit",
    cls=_Root,
    help="Self-hosted GPU runners for GitHub Actions on AWS: spot, just in time, gone afterwards.",
    epilog=EXIT_CODES,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        echo(f"runnerkit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    pass
