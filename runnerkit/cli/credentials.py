"""``credentials``: AWS credentials that a job renews by its identity at GitHub."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit.cli.common import AsJson, echo, ending_well, print_json

if TYPE_CHECKING:
    from runnerkit.credentials.role import Role, Session

RoleArn = Annotated[
    str, typer.Option("--role-arn", help="The AWS role to be, renewed by the job's identity while the job runs.")
]


def credentials(
    role_arn: RoleArn = "",
    region: Annotated[str, typer.Option(help="The region of AWS STS; AWS_REGION by default.")] = "",
    seconds: Annotated[int, typer.Option(help="How long a session lasts.")] = 3600,
    install: Annotated[
        bool, typer.Option("--install", help="Have boto3, DVC and aws ask for them: for the next steps of the job.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what the job's token says of it, for the role's trust policy.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print credentials of an AWS role as AWS's programs take them from a `credential_process`.

    They come from the job's identity at GitHub (`id-token: write`), are kept in a file for this user alone, and are
    renewed in time, as long as GitHub vouches for the job. With --install nothing is printed: a profile is written, and
    the variables that select it are set for the steps that follow.
    """
    with ending_well(as_json=as_json):
        if explain:
            said: dict[str, Any] = _claims()
        elif install:
            said = _install(_role(role_arn, region, seconds))
        else:
            said = _session(_role(role_arn, region, seconds)).as_process()
    if explain or not install or as_json:
        print_json(said)


def renew(role_arn: str) -> None:
    """Let everything in this process, and all that it starts, be a role that is renewed; nothing without one.

    Raises:
        ConfigError: This job has no identity, or the role is none.
        CloudDenied: AWS refuses.
        ForgeError: GitHub refuses.
    """
    if not role_arn:
        return
    from runnerkit.credentials.profile import installed

    role = _role(role_arn, "", 3600)
    _session(role)
    for name, value in installed(role, os.environ).items():
        if value:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)


def _role(arn: str, region: str, seconds: int) -> Role:
    from runnerkit.credentials.role import Role
    from runnerkit.errors import ConfigError

    if not arn:
        raise ConfigError("which role is wanted is not known", hint="--role-arn arn:aws:iam::ACCOUNT:role/NAME")
    return Role(arn, region, seconds).checked()


def _session(role: Role) -> Session:
    from runnerkit.credentials.identity import ask
    from runnerkit.credentials.keeping import Keeper, folder_of
    from runnerkit.credentials.role import AUDIENCE, assume, session_name

    def warn(text: str) -> None:
        sys.stderr.write(f"runnerkit: {text}\n")

    def fresh() -> Session:
        return assume(role, ask(os.environ, AUDIENCE), session_name(os.environ))

    keeper = Keeper(folder_of(os.environ), role, fresh, warn)
    return keeper.session()


def _install(role: Role) -> dict[str, str]:
    from runnerkit.credentials.profile import installed

    _session(role)
    variables = installed(role, os.environ)
    path = os.environ.get("GITHUB_ENV")
    lines = [f"{name}={value}" for name, value in variables.items()]
    if path:
        with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123 - the runner names a file to append to
            file.write("\n".join([*lines, ""]))
        echo(f"runnerkit: the next steps are {role.arn}, renewed while the job runs", err=True)
    else:
        echo("\n".join(f"export {line}" for line in lines), err=True)
    return variables


def _claims() -> dict[str, Any]:
    import base64

    from runnerkit.credentials.identity import ask
    from runnerkit.credentials.role import AUDIENCE
    from runnerkit.errors import ForgeUnavailable

    # Shown, not trusted: AWS is who checks the signature. The token itself is never printed.
    part = [*ask(os.environ, AUDIENCE).split("."), ""][1]
    try:
        said = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError as error:
        raise ForgeUnavailable("GitHub's token is none that can be read", hint="does a proxy answer for it?") from error
    return said if isinstance(said, dict) else {}
