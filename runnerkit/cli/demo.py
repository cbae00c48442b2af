"""``demo``: the main job in a sandbox that lives as long as the demo, played by the real commands."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit import extras
from runnerkit.cli.common import ENDED, AsJson, echo, ending_well, print_json, until_told
from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from runnerkit.cli.stage import Stage
    from runnerkit.sandbox.ending import Ending
    from runnerkit.sandbox.together import Sandbox


# Those that run their jobs.
KINDS = ("process", "nspawn")


def demo(
    boot: Annotated[float, typer.Option(min=0.0, max=60.0, help="Seconds a machine takes to boot.")] = 3.0,
    machines: Annotated[
        str, typer.Option(help="process, or nspawn: a real Debian for each machine (root on Linux).")
    ] = "process",
    interrupt: Annotated[
        bool, typer.Option("--interrupt", help="AWS takes the machine back in the middle; the job runs again.")
    ] = False,
    no_capacity: Annotated[
        bool, typer.Option("--no-capacity", help="No spot machine can be had; an on-demand one is launched.")
    ] = False,
    enforce_permissions: Annotated[
        bool,
        typer.Option(
            "--enforce-permissions", help="AWS demands permissions; controller and job have their policies and no more."
        ),
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the sandbox up until Ctrl-C and print its address.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """The main job on a local EC2 and GitHub: queued, launched, run, reported, gone. No account, no cost.

    Exits with 0 only if the job succeeded and nothing is left.
    """
    with ending_well(as_json=as_json, interrupted=ENDED):
        sandbox = _sandbox(boot, machines, enforce=enforce_permissions)
        from runnerkit.cli.stage import Stage

        stage = Stage(sys.stderr if as_json else sys.stdout)
        with stage, sandbox:
            ending = _play(sandbox, stage, interrupt=interrupt, no_capacity=no_capacity)
            stage.close()
            _tell(ending, stage, as_json=as_json)
            if keep:
                _wait(sandbox, ending, stage)
    raise typer.Exit(0 if ending.ok else 1)


def _sandbox(boot: float, machines: str, *, enforce: bool) -> Sandbox:
    extras.need("demo")
    from runnerkit.sandbox.ec2.profiles import forget_profiles
    from runnerkit.sandbox.story import REPOSITORY
    from runnerkit.sandbox.together import Sandbox

    if machines not in KINDS:
        raise ConfigError(f"--machines is {' or '.join(KINDS)}, not {machines!r}: the demo's job has to run")
    forget_profiles()
    return Sandbox(REPOSITORY, boot=boot, machines=machines, say=_say, enforce=enforce)


def _say(text: str) -> None:
    echo(text, err=True)


def _play(sandbox: Sandbox, stage: Stage, *, interrupt: bool, no_capacity: bool) -> Ending:
    from runnerkit.sandbox.story import MainJob

    stage.opened(sandbox)
    return MainJob(sandbox, stage.moment, stage.log, interrupt=interrupt, no_capacity=no_capacity).play()


def _tell(ending: Ending, stage: Stage, *, as_json: bool) -> None:
    stage.ended(ending)
    if as_json:
        print_json(as_dict(ending))


def as_dict(ending: Ending) -> dict[str, Any]:
    """The demo for programs."""
    last = ending.machines[-1].view if ending.machines else None
    return {
        "ok": ending.ok,
        "job": {"conclusion": ending.conclusion, "runner": ending.runner, "attempts": ending.attempts},
        "instance": {"id": last.id, "type": last.type, "zone": last.zone, "market": last.market} if last else None,
        "instances": [
            {"id": m.view.id, "market": m.view.market, "reason": m.view.reason, "cost_usd": round(m.cost, 6)}
            for m in ending.machines
        ],
        "timeline": [asdict(moment) for moment in ending.timeline],
        "metrics": ending.metrics,
        "report": ending.report,
        "left": ending.left,
        "cost_usd": round(ending.cost, 6),
        "seconds": round(ending.seconds, 1),
        "trouble": ending.trouble,
    }


def _wait(sandbox: Sandbox, ending: Ending, stage: Stage) -> None:
    """Stay up until somebody has seen enough."""
    stage.kept(sandbox.environment(), ending.page)
    until_told()
