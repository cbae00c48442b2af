"""The command line's root: the common options, and where each command is."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from runnerkit import __version__
from runnerkit.cli import (
    ami,
    batch,
    completion,
    cost,
    credentials,
    demo,
    doctor,
    dvc,
    gate,
    init,
    inside,
    interrupt,
    launch,
    lock,
    loop,
    machines,
    market,
    notify,
    promote,
    publish,
    report,
    resume,
    runs,
    sandbox,
    serve,
    setup,
    show,
    simulate,
    why,
)

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


app = typer.Typer(
    name="runnerkit",
    cls=_Group,
    help="Self-hosted GPU runners for GitHub Actions on AWS: spot, just in time, gone afterwards.",
    epilog=EXIT_CODES,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"runnerkit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    pass


app.add_typer(setup.app, name="setup", cls=_Group)
app.command("doctor")(doctor.doctor)
app.command("init")(init.init)
app.command("launch")(launch.launch)
app.command("once")(loop.once)
app.command("run")(loop.run)
app.command("serve")(serve.serve)
app.command("plan")(loop.plan)
app.command("sweep")(loop.sweep)
app.command("status")(machines.status)
app.command("resume")(resume.resume)
app.command("why")(why.why)
app.command("cost")(cost.cost)
app.command("logs")(inside.logs)
app.command("connect")(inside.connect)
app.command("terminate")(machines.terminate)
app.command("offerings")(market.offerings)
app.command("demo")(demo.demo)
app.command("interrupt")(interrupt.interrupt)
app.command("simulate")(simulate.simulate)
app.add_typer(sandbox.app, name="sandbox", cls=_Group)
app.add_typer(dvc.app, name="dvc", cls=_Group)
app.command("credentials")(credentials.credentials)
app.command("report")(report.report)
app.command("gate")(gate.gate)
app.command("publish")(publish.publish)
app.command("notify")(notify.notify)
app.add_typer(promote.app, name="promote")
app.add_typer(lock.app, name="lock", cls=_Group)
app.add_typer(runs.app, name="runs", cls=_Group)
app.add_typer(batch.app, name="batch", cls=_Group)
app.add_typer(ami.app, name="ami", cls=_Group)
app.add_typer(show.app, name="config", cls=_Group)
app.command("completion")(completion.completion)
