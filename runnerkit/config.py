"""Configuration: ``runnerkit.toml`` (or ``[tool.runnerkit]``), then ``RUNNERKIT_*``, then flags.

A variable's name is the key's path in capitals, joined by two underscores: ``RUNNERKIT_AWS__OWNER=ml`` is ``owner`` in
``[aws]``. Lists are separated by commas. The standard variables of AWS, GitHub and Actions are honoured where nothing
of ours is set. Every error names the origin, the key and the reason.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from os.path import lexists
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import Field, ValidationError

from runnerkit import labels
from runnerkit.errors import ConfigError, LabelError
from runnerkit.settings import AmiSettings, AwsSettings, GitHubSettings, JournalSettings, ServeSettings
from runnerkit.wishes import Policy, RunnerSpec, Written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_core import ErrorDetails

FILE = "runnerkit.toml"
PREFIX = "RUNNERKIT_"
# Variables of ours that are not settings: they say where to look, where to keep things, and whom a job tells.
_OWN = ("CONFIG", "STATE_DIR", "CACHE_DIR", "LOG", "PARAMETERS", "NOTIFY", "NOTIFY_ON", "NOTIFY_SECRET")
NOT_SETTINGS = {f"RUNNERKIT_{name}" for name in _OWN}
# What a machine, and one of the sandbox above all, tells the job that runs on it: commands of ours run there, too.
MACHINES_OWN = ("RUNNERKIT_ROOT", "RUNNERKIT_USER", "RUNNERKIT_MACHINE", "RUNNERKIT_SANDBOX_", "RUNNERKIT_STANDIN_")
SECRETS = ("token", "private_key", "webhook_secrets", "page_password")
STANDARD_TOKENS = {"GITHUB_TOKEN", "GH_TOKEN"}
# Files that are read because they lie in the folder, which may be anybody's checkout.
FOUND = (FILE, "pyproject.toml")

Origins = dict[tuple[str, ...], str]


class Config(Written):
    """Everything that a person may configure.

    ``specs`` are named wishes and ``default`` fills what no label says, both as keys and values of the label grammar;
    ``arrays`` lets ``runs-on: [self-hosted, runnerkit, gpu=t4]`` ask for a machine too.
    """

    aws: AwsSettings = Field(default_factory=AwsSettings)
    github: GitHubSettings = Field(default_factory=GitHubSettings)
    ami: AmiSettings = Field(default_factory=AmiSettings)
    serve: ServeSettings = Field(default_factory=ServeSettings)
    journal: JournalSettings = Field(default_factory=JournalSettings)
    policy: Policy = Field(default_factory=Policy)
    default: dict[str, str] = Field(default_factory=dict)
    specs: dict[str, dict[str, str]] = Field(default_factory=dict)
    arrays: bool = False

    def named(self) -> dict[str, RunnerSpec]:
        """The named specs, understood.

        Raises:
            ConfigError: One of them is not a wish; names section, key and reason.
        """
        return {name: _wish(f"specs.{name}", keys) for name, keys in self.specs.items()}

    def fallback(self) -> RunnerSpec:
        """The wish that fills what no label says."""
        return _wish("default", self.default)


def load(environment: Mapping[str, str], folder: Path, path: Path | None = None) -> tuple[Config, Origins]:
    """Read the configuration and say where each value came from.

    Args:
        environment: Usually ``os.environ``.
        folder: Where to look for ``runnerkit.toml`` and ``pyproject.toml``.
        path: A file named by a person, which must exist then.

    Raises:
        ConfigError: A file cannot be read, or a value cannot be used; names origin, key and reason.
    """
    values: dict[str, Any] = {}
    origins: Origins = {}
    for origin, layer in _layers(environment, folder, path):
        _lay(values, layer, origin, origins)
    _settle_who_we_are(values, origins, environment)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(*_explained(error, origins)) from None
    config.named()
    config.fallback()
    return config, origins


def _layers(environment: Mapping[str, str], folder: Path, path: Path | None) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from _standard(environment)
    named = path or (Path(environment["RUNNERKIT_CONFIG"]) if environment.get("RUNNERKIT_CONFIG") else None)
    if named is not None:
        yield str(named.absolute()), _section(_toml(named), named)
    elif lexists(folder / FILE):
        # Also a folder that a container made for want of a file, and a link to nowhere: both are told of.
        yield FILE, _toml(folder / FILE)
    elif (folder / "pyproject.toml").is_file():
        project = folder / "pyproject.toml"
        yield "pyproject.toml [tool.runnerkit]", _section(_toml(project), project)
    for name, text in sorted(environment.items()):
        if name.startswith(PREFIX) and name not in NOT_SETTINGS and not name.startswith(MACHINES_OWN):
            yield name, _nested(name.removeprefix(PREFIX).lower().split("__"), text)


def _standard(environment: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What GitHub's own variables say. AWS's are read by boto3 itself."""
    for name, key in (("GITHUB_API_URL", "api_url"), ("GITHUB_TOKEN", "token"), ("GH_TOKEN", "token")):
        if environment.get(name):
            yield name, {"github": {key: environment[name]}}
    if environment.get("GITHUB_REPOSITORY"):
        yield "GITHUB_REPOSITORY", {"github": {"repositories": [environment["GITHUB_REPOSITORY"]]}}


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file", hint="check --config and RUNNERKIT_CONFIG") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}", hint="TOML puts texts in double quotes") from None


def _settle_who_we_are(values: dict[str, Any], origins: Origins, environment: Mapping[str, str]) -> None:
    """Let an App of ours win over a standard token, and keep such a token from an address that a checkout names.

    Raises:
        ConfigError: A file found in the folder sends a token of the environment somewhere.
    """
    github = values.get("github", {})
    if not isinstance(github, dict):
        return
    standard = origins.get(("github", "token")) in STANDARD_TOKENS
    if standard and github.get("app_id"):
        github.pop("token", None)
    found = origins.get(("github", "api_url"), "")
    known = github.get("api_url") == environment.get("GITHUB_API_URL")
    if standard and "token" in github and found.startswith(FOUND) and not known:
        raise ConfigError(
            f"{found}: github.api_url would send the token of {origins['github', 'token']} to an address that a file "
            "of this folder names",
            hint="if that is meant, set GITHUB_API_URL or RUNNERKIT_GITHUB__API_URL, or name the file with --config",
        )


def _section(values: dict[str, Any], path: Path) -> dict[str, Any]:
    for part in ("tool", "runnerkit") if path.name == "pyproject.toml" else ():
        values = values.get(part, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: {part} is not a table", hint="settings stand under [tool.runnerkit]")
    return values


def _nested(parts: list[str], text: str) -> dict[str, Any]:
    value: Any = [item.strip() for item in text.split(",") if item.strip()] if _is_list(parts) else text
    for part in reversed(parts):
        value = {part: value}
    nested: dict[str, Any] = value
    return nested


def _is_list(parts: list[str]) -> bool:
    model: Any = Config
    for part in parts:
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            return False
        model = field.annotation
    return getattr(model, "__origin__", None) is tuple or tuple in get_args(model)


def _lay(
    values: dict[str, Any], layer: dict[str, Any], origin: str, origins: Origins, at: tuple[str, ...] = ()
) -> None:
    for key, value in layer.items():
        if isinstance(value, dict):
            below = values.get(key)
            values[key] = below if isinstance(below, dict) else {}
            _lay(values[key], value, origin, origins, (*at, key))
        else:
            values[key] = value
        origins[*at, key] = origin


def _wish(section: str, keys: dict[str, str]) -> RunnerSpec:
    text = "/".join((labels.WORD, *(f"{key}={value}" for key, value in keys.items())))
    try:
        return labels.parse(text).spec
    except LabelError as error:
        raise ConfigError(f"[{section}]: {error.message}", hint=error.hint) from None


def _explained(error: ValidationError, origins: Origins) -> tuple[str]:
    """Every problem on a line of its own: where it was written, which key, why, and the nearest valid key."""
    return ("\n".join(_line(detail, origins) for detail in error.errors(include_url=False, include_input=True)),)


def _line(detail: ErrorDetails, origins: Origins) -> str:
    path = tuple(str(part) for part in detail["loc"])
    origin = next((origins[path[:end]] for end in range(len(path), 0, -1) if path[:end] in origins), "configuration")
    key = ".".join(path)
    if detail["type"] == "extra_forbidden":
        return f"{origin}: {key}: no such key{_nearest(path)}"
    given, reason = detail["input"], detail["msg"].removeprefix("Value error, ")
    # Whatever is not a plain value of a plain key may have a secret in it.
    plain = isinstance(given, str | int | float) and detail["type"] != "model_type" and not {*SECRETS} & {*path}
    return f"{origin}: {key}: {reason[:1].lower()}{reason[1:]}{f', not {given!r}' if plain else ''}"


def _nearest(path: tuple[str, ...]) -> str:
    model: Any = Config
    for part in path[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        model = field.annotation if field is not None else None
    known = sorted(getattr(model, "model_fields", {}))
    near = get_close_matches(path[-1], known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(known)}" if known else ""
