"""``interrupt``: what AWS does to spot machines, done on purpose. The sandbox does it; for AWS it says how."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from runnerkit.cli.common import AsJson, DryRun, echo, ending_well, print_json
from runnerkit.errors import ConfigError

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
EXPERIMENT = """{{
  "description": "Interrupt {runner}",
  "targets": {{"machine": {{
    "resourceType": "aws:ec2:spot-instance", "selectionMode": "ALL", "resourceTags": {{"runnerkit:runner": "{runner}"}}
  }}}},
  "actions": {{"interrupt": {{
    "actionId": "aws:ec2:send-spot-instance-interruptions",
    "parameters": {{"durationBeforeInterruption": "PT2M"}}, "targets": {{"SpotInstances": "machine"}}
  }}}},
  "stopConditions": [{{"source": "none"}}],
  "roleArn": "arn:aws:iam::ACCOUNT:role/ROLE-THAT-FIS-MAY-ASSUME"
}}"""


def interrupt(
    runner: Annotated[str, typer.Argument(help="Name of the runner, or id of its instance.")],
    notice: Annotated[float, typer.Option(min=1.0, max=120.0, help="Seconds of warning; AWS gives 120.")] = 120.0,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Let the sandbox's EC2 take a spot machine back, with its usual notice. On AWS: print how FIS does it."""
    with ending_well(as_json=as_json):
        endpoint = os.environ.get("AWS_ENDPOINT_URL_EC2") or os.environ.get("AWS_ENDPOINT_URL") or ""
        views = sandbox_instances(endpoint)
        if views is None:
            _explain(runner, as_json=as_json)
            return
        instance = _find(runner, views)
        if not dry_run:
            _ask(endpoint, "interrupt", {"instance_id": instance["id"], "notice": notice})
    if as_json:
        print_json({"instance": instance["id"], "notice": notice, "interrupted": not dry_run})
    else:
        echo(f"{'would take' if dry_run else 'takes'} {instance['id']} back in {notice:g} s")


def sandbox_instances(endpoint: str) -> list[dict[str, Any]] | None:
    """The machines of the sandbox at an endpoint; None when there is no sandbox there."""
    if urlsplit(endpoint).hostname not in LOOPBACK:
        return None
    from urllib.error import URLError

    try:
        found = _ask(endpoint, "instances")
    except (URLError, ValueError, TimeoutError):
        return None
    return found if isinstance(found, list) else None


def _find(runner: str, views: list[dict[str, Any]]) -> dict[str, Any]:
    living = [view for view in views if view["state"] in {"pending", "running"}]
    for view in living:
        if runner in {view["id"], view["tags"].get("runnerkit:runner")}:
            return view
    names = ", ".join(str(view["tags"].get("runnerkit:runner", view["id"])) for view in living) or "none"
    raise ConfigError(f"the sandbox has no running machine {runner}", hint=f"there are: {names}")


def _ask(endpoint: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    data = None if body is None else json.dumps(body).encode()
    request = Request(f"{endpoint.rstrip('/')}/_runnerkit/ec2/{path}", data=data)  # noqa: S310 - a loopback address
    try:
        with urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            return json.loads(answer.read())
    except HTTPError as error:
        with error:
            said = error.read().decode("utf-8", "replace")
        raise ConfigError(f"the sandbox refused: {_message(said)}") from None


def _message(said: str) -> str:
    try:
        return str(json.loads(said)["error"])
    except (ValueError, KeyError, TypeError):
        return said[:200]


def _explain(runner: str, *, as_json: bool) -> None:
    template = EXPERIMENT.format(runner=runner)
    if as_json:
        print_json({"interrupted": False, "experiment_template": json.loads(template)})
        return
    echo("AWS_ENDPOINT_URL names no sandbox. On AWS the Fault Injection Service interrupts spot machines:")
    echo(f"\ncat > interrupt.json <<'END'\n{template}\nEND")
    echo("aws fis create-experiment-template --cli-input-json file://interrupt.json")
    echo("aws fis start-experiment --experiment-template-id ID-FROM-ABOVE")
