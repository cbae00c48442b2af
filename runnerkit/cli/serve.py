"""``serve``: the controller as a service that webhooks wake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit import extras
from runnerkit.cli.common import (
    AsJson,
    ConfigPath,
    Repo,
    configuration,
    ending_well,
    narrator,
    repositories,
)

if TYPE_CHECKING:
    from runnerkit.config import Config


def serve(
    repo: Repo = None,
    bind: Annotated[
        str | None, typer.Option("--bind", help="The IP address to listen on; 127.0.0.1 by default.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65_535, help="The port; 8080 by default, 0 for any free one.")
    ] = None,
    interval: Annotated[
        float | None, typer.Option("--interval", min=1.0, help="Seconds between two passes; 60 by default.")
    ] = None,
    no_webhooks: Annotated[
        bool, typer.Option("--no-webhooks", help="Take no webhooks in; find every job by polling.")
    ] = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Serve repositories until told to end: webhooks wake the passes, polling finds what they lost.

    A status page, /metrics for Prometheus and /healthz are served as well. SIGTERM and Ctrl-C let the actions under way
    end; a second one does not.
    """
    from runnerkit import app

    with ending_well(as_json=as_json):
        extras.need("serve")
        settings = _with(configuration(config), bind=bind, port=port, interval=interval)
        served = repositories(settings, repo)
        service = app.service(settings, repos=served, events=narrator(as_json=as_json), webhooks=not no_webhooks)
        code = service.run()
    raise typer.Exit(code)


def _with(settings: Config, **given: Any) -> Config:  # noqa: ANN401 - options are of several types
    """The configuration with what the command line says."""
    chosen = {name: value for name, value in given.items() if value is not None}
    return settings.model_copy(update={"serve": settings.serve.model_copy(update=chosen)})
