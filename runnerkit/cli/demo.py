"""``demo``: the real commands, run one after another against a sandbox that lives as long as the demo."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit.cli.common import AsJson, print_json
from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.sandbox.together import Sandbox

LABEL = "runnerkit=demo/gpu=t4"


def demo(
    boot: Annotated[float, typer.Option(min=0.0, max=60.0, help="Seconds a machine takes to boot.")] = 3.0,
    as_json: AsJson = False,
) -> None:
    """Launch, look at and end a GPU machine on a local EC2 and GitHub: no account, no cost, nothing left."""
    from runnerkit.cli.common import ending_well

    with ending_well(as_json=as_json):
        sandbox = _sandbox(boot)
    began = time.monotonic()
    with sandbox:
        steps = [_step(sandbox, words, as_json=as_json) for words in _story(sandbox)]
        left = sandbox.left()
    ok = all(step["exit_code"] == 0 for step in steps) and not any(left.values())
    if as_json:
        print_json({"ok": ok, "steps": steps, "left": left, "seconds": round(time.monotonic() - began, 1)})
    else:
        counted = ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in left.items())
        typer.echo(f"\nleft behind, asking EC2 and GitHub: {counted}")
        typer.echo(f"{'everything worked' if ok else 'something went wrong'}, {time.monotonic() - began:.1f} s in all")
    raise typer.Exit(0 if ok else 1)


def _sandbox(boot: float) -> Sandbox:
    try:
        from runnerkit.sandbox.together import Sandbox
    except ImportError as error:
        raise ConfigError(
            f"the sandbox needs the package {error.name}", hint="install runnerkit with its extra: runnerkit[sandbox]"
        ) from None
    return Sandbox(boot=boot)


def _story(sandbox: Sandbox) -> Sequence[Sequence[str]]:
    return (
        ("offerings", "gpu=t4"),
        ("launch", "--runs-on", LABEL, "--repo", sandbox.repository, "--dry-run"),
        ("launch", "--runs-on", LABEL, "--repo", sandbox.repository, "--wait"),
        ("status", "--repo", sandbox.repository),
        ("terminate", "--all", "--repo", sandbox.repository),
        ("sweep", "--repo", sandbox.repository),
        ("status", "--repo", sandbox.repository),
    )


def _step(sandbox: Sandbox, words: Sequence[str], *, as_json: bool) -> dict[str, Any]:
    """Run one command as a person would, in a process of its own."""
    environment = {**_without_ours(os.environ), **sandbox.environment(), "PYTHONUNBUFFERED": "1"}
    if not as_json:
        typer.echo(f"\n$ runnerkit {' '.join(words)}")
    done = subprocess.run(  # noqa: S603 - our own command, by the interpreter we run in
        [sys.executable, "-m", "runnerkit", *words, *(["--json"] if as_json else [])],
        env=environment,
        cwd=sandbox.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if as_json else None,
        stderr=subprocess.PIPE if as_json else None,
        text=True,
        timeout=180,
        check=False,
    )
    return {"command": ["runnerkit", *words], "exit_code": done.returncode, "output": done.stdout, "log": done.stderr}


def _without_ours(environment: Any) -> dict[str, str]:  # noqa: ANN401 - os.environ
    """The environment without anything that would point the demo at a real account."""
    prefixes = ("AWS_", "GITHUB_", "GH_", "RUNNERKIT_")
    return {name: value for name, value in environment.items() if not name.startswith(prefixes)}
