"""The JIT configuration: what GitHub hands out once and the machine starts its listener with.

It is base64 over a JSON object of file name to base64 of the file's content; the listener writes the files
``.runner``, ``.credentials`` and ``.credentials_rsaparams`` into its root (actions/runner, ``Runner.cs``).
"""

import base64
import binascii
import json
import secrets
from typing import Any

from runnerkit.sandbox.github.records import Runner
from runnerkit.sandbox.github.refusals import invalid

# Bytes of each part of a 2048-bit RSA key: the blob is as long, and compresses as badly, as the real one.
_RSA_BYTES = {"d": 256, "dp": 128, "dq": 128, "inverseQ": 128, "modulus": 256, "p": 128, "q": 128}


def encode(runner: Runner, service: str) -> str:
    """Write the configuration of a new registration for a service at ``service``."""
    files = {
        ".runner": _settings(runner, service),
        ".credentials": {
            "Scheme": "OAuth",
            "Data": {
                "ClientId": runner.client_id,
                "AuthorizationUrl": f"{service}/_runnerkit/token",
                "RequireFipsCryptography": "True",
            },
        },
        ".credentials_rsaparams": {"exponent": "AQAB"} | {part: _random(size) for part, size in _RSA_BYTES.items()},
    }
    packed = {name: _base64(json.dumps(content)) for name, content in files.items()}
    return _base64(json.dumps(packed))


def _settings(runner: Runner, service: str) -> dict[str, Any]:
    return {
        "AgentId": str(runner.id),
        "AgentName": runner.name,
        "PoolId": str(runner.group_id),
        "PoolName": "Default",
        "DisableUpdate": "False",
        "Ephemeral": "True",
        "ServerUrl": f"{service}/_runnerkit/",
        "ServerUrlV2": f"{service}/_runnerkit/",
        "UseV2Flow": "True",
        "WorkFolder": runner.work_folder,
        "GitHubUrl": "",
        "SkipSessionRecover": "False",
    }


def _random(size: int) -> str:
    return base64.b64encode(secrets.token_bytes(size)).decode()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def decode(blob: str) -> dict[str, dict[str, Any]]:
    """Read a configuration back into its files.

    Raises:
        Refused: it is not base64 of JSON of base64 of JSON objects.
    """
    try:
        packed = json.loads(base64.b64decode(blob, validate=True))
        return {name: json.loads(base64.b64decode(content, validate=True)) for name, content in packed.items()}
    except (binascii.Error, ValueError, AttributeError, TypeError) as error:
        raise invalid(f"the JIT configuration cannot be read: {error}") from error


def identity(blob: str) -> tuple[int, str]:
    """Tell whose configuration it is: the runner's id and its client id, which nobody else knows."""
    files = decode(blob)
    try:
        return int(files[".runner"]["AgentId"]), str(files[".credentials"]["Data"]["ClientId"])
    except (KeyError, TypeError, ValueError) as error:
        raise invalid(f"the JIT configuration lacks {error}") from error
