"""``sandbox``: a local EC2 and GitHub for runnerkit, and for other people's programs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runnerkit import extras
from runnerkit.cli import completing
from runnerkit.cli.common import ENDED, AsJson, echo, ending_well, print_json, until_told
from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from runnerkit.sandbox.standing import Standing, StateFolder
    from runnerkit.sandbox.together import Sandbox

app = typer.Typer(
    name="sandbox",
    help="A local EC2 and GitHub on 127.0.0.1: machines boot, jobs run, nothing is billed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

State = Annotated[
    Path | None, typer.Option("--state", help="Folder that tells where the sandbox is; one sandbox for each folder.")
]


def default_state() -> Path:
    """The state folder when none is named."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "runnerkit" / "sandbox"


def _state(given: Path | None) -> StateFolder:
    try:
        from runnerkit.sandbox.standing import StateFolder
    except ImportError as error:  # fcntl, where there is none
        raise ConfigError(f"the sandbox needs {error.name}, which this system does not have") from None
    return StateFolder((given or default_state()).absolute())


@app.command("up")
def up(
    repo: Annotated[
        str, typer.Option("--repo", "-r", help="The repository that exists from the start.")
    ] = "acme/widgets",
    boot: Annotated[float, typer.Option(min=0.0, max=600.0, help="Seconds a machine takes to boot.")] = 3.0,
    machines: Annotated[
        str,
        typer.Option(
            help="process: machines boot and run their jobs. nspawn: so, in a real Debian each. hollow: leases only.",
            autocompletion=completing.machines,
        ),
    ] = "process",
    enforce_permissions: Annotated[
        bool,
        typer.Option(
            "--enforce-permissions",
            help="AWS demands permissions: the printed keys may do what whoever launches must, and no more.",
        ),
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Go on in the background.")] = False,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Start a sandbox and print the variables that point programs at it.

    It runs until Ctrl-C, or with --detach until `runnerkit sandbox down`: eval "$(runnerkit sandbox up --detach)"
    """
    with ending_well(as_json=as_json, interrupted=ENDED):
        extras.need("sandbox")
        folder = _state(state)
        if detach:
            _print(_detached(folder, repo, boot, machines, enforce=enforce_permissions), as_json=as_json)
            return
        # From here on a signal means a good end: who reads the line may answer it with one at once.
        with (
            folder.held(),
            _sandbox(repo, boot, machines, enforce=enforce_permissions) as sandbox,
            suppress(KeyboardInterrupt),
        ):
            _print(folder.write(sandbox), as_json=as_json)
            if sys.stderr.isatty():
                sys.stderr.write(f"look at {sandbox.github.url}/{repo}; Ctrl-C ends the sandbox\n")
            until_told()


def _sandbox(repo: str, boot: float, machines: str, *, enforce: bool) -> Sandbox:
    from runnerkit.sandbox.ec2.profiles import forget_profiles
    from runnerkit.sandbox.together import MACHINES, Sandbox

    if machines not in MACHINES:
        raise ConfigError(f"--machines is {' or '.join(MACHINES)}, not {machines!r}")
    forget_profiles()
    return Sandbox(repo, boot=boot, machines=machines, say=_say, enforce=enforce)


def _say(text: str) -> None:
    echo(text, err=True)


def _prepare(machines: str) -> None:
    """What takes minutes, or cannot be had, is told here: what goes on in the background says it to a file."""
    if machines == "nspawn":
        from runnerkit.sandbox.machines.nspawn import prepare

        prepare(_say)


def _detached(folder: StateFolder, repo: str, boot: float, machines: str, *, enforce: bool) -> Standing:
    with folder.held():
        pass  # says clearly that one is up already, before anything is started
    _prepare(machines)
    options = ["--repo", repo, "--boot", str(boot), "--machines", machines, "--state", str(folder.folder)]
    options += ["--enforce-permissions"] if enforce else []
    with (folder.folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "runnerkit", "sandbox", "up", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return folder.wait_until_up(process.pid)


def _print(standing: Standing, *, as_json: bool) -> None:
    if as_json:
        print_json({"pid": standing.pid, "repository": standing.repository, "github": standing.github,
                    "aws": standing.aws, "environment": standing.environment})  # fmt: skip
        return
    for name, value in standing.environment.items():
        echo(f"export {name}={shlex.quote(value)}")


@app.command("down")
def down(state: State = None, as_json: AsJson = False) -> None:
    """End the sandbox with everything in it; that none is up is no error."""
    with ending_well(as_json=as_json):
        folder = _state(state)
        standing = folder.read()
        if standing is not None:
            folder.end(standing)
    if as_json:
        print_json({"ended": standing is not None})
    else:
        echo("no sandbox was up" if standing is None else f"the sandbox of process {standing.pid} has ended")


@app.command("status")
def status(state: State = None, as_json: AsJson = False) -> None:
    """Tell whether a sandbox is up, where, and how many machines it has. Exits with 1 when none is up."""
    with ending_well(as_json=as_json):
        folder = _state(state)
        standing = folder.read()
        machines = _machines(standing) if standing is not None else []
    if as_json:
        found = {"pid": standing.pid, "github": standing.github, "aws": standing.aws} if standing else {}
        print_json({"up": standing is not None, "state": str(folder.folder), **found, "machines": machines})
    elif standing is None:
        echo(f"no sandbox is up in {folder.folder}")
    else:
        echo(f"up as process {standing.pid}, with {len(machines)} machines")
        echo(f"GitHub  {standing.github}/{standing.repository}\nAWS     {standing.aws}")
    if standing is None:
        raise typer.Exit(1)


def _machines(standing: Standing) -> list[dict[str, str]]:
    from runnerkit.cli.interrupt import sandbox_instances

    return [
        {"id": view["id"], "type": view["type"], "state": view["state"]}
        for view in sandbox_instances(standing.aws) or ()
        if view["state"] in {"pending", "running"}
    ]
