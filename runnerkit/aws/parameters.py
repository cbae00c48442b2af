"""Settings from SSM: secrets that are kept as SecureString parameters, read once for each process.

``/runnerkit/controller/github/private_key`` is the setting ``private_key`` of ``[github]``: what follows the path are
section and key. A ``RUNNERKIT_*`` variable of the process wins over the parameter.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from runnerkit.errors import CloudDenied, CloudUnavailable, ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "RUNNERKIT_PARAMETERS"
_NAME = re.compile(r"[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)*")


def with_parameters(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, completed by the parameters below the path that ``RUNNERKIT_PARAMETERS`` names (if it does).

    Raises:
        ConfigError: A parameter's name is not that of a setting.
        CloudDenied: They may not be read.
        CloudUnavailable: SSM cannot be reached.
    """
    path = environment.get(PATH, "").rstrip("/")
    rest = {name: value for name, value in environment.items() if name != PATH}
    return {**_variables(path, _read(path)), **rest} if path else rest


def _variables(path: str, parameters: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name, value in parameters.items():
        key = name.removeprefix(f"{path}/")
        if not _NAME.fullmatch(key):
            raise ConfigError(
                f"the parameter {name} names no setting", hint=f"name it {path}/SECTION/KEY, in small letters"
            )
        found["RUNNERKIT_" + key.replace("/", "__").upper()] = value
    return found


def _read(path: str) -> dict[str, str]:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client: Any = boto3.client("ssm", config=Config(user_agent_extra="runnerkit"))
        pages = client.get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True, WithDecryption=True)
        return {each["Name"]: each["Value"] for page in pages for each in page["Parameters"]}
    except ClientError as fault:
        code = fault.response.get("Error", {}).get("Code", "")
        hint = f"allow ssm:GetParametersByPath on the parameter {path}, and kms:Decrypt if it has a key of your own"
        raise CloudDenied(f"the parameters below {path} cannot be read: {fault}", aws_code=code, hint=hint) from fault
    except BotoCoreError as fault:
        raise CloudUnavailable(f"the parameters below {path} cannot be read: {fault}") from fault
