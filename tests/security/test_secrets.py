"""Every value that holds a secret hides it, however it is printed. They are looked for, so none is forgotten."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import io
import json
import logging
import pickle
import pkgutil
import pprint
import re
import traceback
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr
from structlog.testing import capture_logs
from typer.testing import CliRunner

import runnerkit
from runnerkit.cli.commands import app
from runnerkit.config import Config, load
from runnerkit.errors import ConfigError, RunnerkitError
from runnerkit.events import ActionFailed
from runnerkit.names import Secret
from runnerkit.system import LogEvents

if TYPE_CHECKING:
    from collections.abc import Callable

# Begun so that none turns up by chance in what is printed anyway.
TEXTS = st.text(st.characters(categories=["L", "N"]), min_size=14, max_size=40).map(lambda text: f"zq7X{text}")
# Stand-ins hold made-up secrets, and what runs on machines imports nothing of ours.
NOT_LOOKED_AT = ("runnerkit.sandbox", "runnerkit.machine", "runnerkit.__main__")
NAMES = re.compile(r"token|secret|password|credential|private_key|jit|user_data|^pem$|authorization", re.IGNORECASE)
# Fields whose names sound secret, and which hold none: each with what they hold.
HARMLESS = {
    "runnerkit.batch.reading._Stream.token": "a place in a log",
    "runnerkit.batch.states.LogPage.token": "a place in a log",
    "runnerkit.batch.wish.Container.registry_secret": "the name of a secret",
    "runnerkit.settings.GitHubSettings.private_key_file": "a path",
}


@dataclasses.dataclass(frozen=True)
class Holder:
    """A type of ours, the fields of it that hold secrets, and those that hold text under such a name."""

    kind: type
    fields: dict[str, str]

    def __str__(self) -> str:
        return f"{self.kind.__module__}.{self.kind.__qualname__}"

    def filled(self, text: str) -> Any:  # noqa: ANN401 - any type of ours
        """One of these, as far as its own code lets one be made without the rest of the world."""
        if issubclass(self.kind, BaseModel):
            given_ = {name: _wrapped(text, told) for name, told in self.fields.items()}
            return self.kind.model_construct(**given_)
        made = object.__new__(self.kind)
        for each in dataclasses.fields(self.kind):  # type: ignore[arg-type]  # it is one, as was seen above
            value = _wrapped(text, self.fields[each.name]) if each.name in self.fields else None
            object.__setattr__(made, each.name, value)
        return made


def _wrapped(text: str, annotation: str) -> Any:  # noqa: ANN401 - as the annotation says
    inner: Any = SecretStr(text) if "SecretStr" in annotation else Secret(text) if "Secret" in annotation else text
    if "bytes" in annotation:
        return text.encode()
    if "Mapping" in annotation or annotation.startswith("dict"):
        return {"name": inner}
    return (inner,) if annotation.startswith("tuple") else inner


@cache
def holders() -> tuple[Holder, ...]:
    found: list[Holder] = []
    for module in pkgutil.walk_packages(runnerkit.__path__, "runnerkit."):
        if not module.name.startswith(NOT_LOOKED_AT):
            kinds = [each for each in vars(importlib.import_module(module.name)).values() if isinstance(each, type)]
            own = [(kind, _secret_fields(kind)) for kind in kinds if kind.__module__ == module.name]
            found += [Holder(kind, fields) for kind, fields in own if fields]
    return tuple(found)


def _secret_fields(kind: type) -> dict[str, str]:
    if dataclasses.is_dataclass(kind):
        told = {each.name: str(each.type) for each in dataclasses.fields(kind)}
    elif issubclass(kind, BaseModel):
        told = {name: str(each.annotation) for name, each in kind.model_fields.items()}
    else:
        return {}
    where = f"{kind.__module__}.{kind.__qualname__}"
    return {
        name: annotation
        for name, annotation in told.items()
        if f"{where}.{name}" not in HARMLESS and (_is_secret(annotation) or _sounds(name, annotation))
    }


def _is_secret(annotation: str) -> bool:
    return bool(re.search(r"\bSecret(Str|Bytes)?\b", annotation)) and "Callable" not in annotation


def _sounds(name: str, annotation: str) -> bool:
    # A job's environment has its tokens.
    if re.fullmatch(r"environ(ment)?", name) and re.match(r"(collections\.abc\.)?Mapping|dict", annotation):
        return True
    return bool(NAMES.search(name)) and bool(re.fullmatch(r"(str|bytes)( \| None)?|<class '(str|bytes)'>", annotation))


def _traceback(value: object) -> str:
    try:
        _fail(value)
    except RunnerkitError as error:
        lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
        return "".join(lines) + str(error.as_dict()) + repr(error)
    raise AssertionError


def _fail(value: object) -> None:
    raise RunnerkitError(f"cannot use {value}", hint=f"{value!r}")


def _log(value: object) -> str:
    stream = io.StringIO()
    for as_json in (True, False):
        LogEvents(stream, as_json=as_json).emit(ActionFailed(f"{value}", "", RunnerkitError(f"{value!r}")))
    return stream.getvalue() + logging.LogRecord("x", 10, "f", 1, "%s %r", (value, value), None).getMessage()


def _pickled(value: object) -> str:
    try:
        return pickle.dumps(value).decode("utf-8", "replace")
    except (TypeError, AttributeError, pickle.PicklingError):
        return ""


def _dumped(value: Any) -> str:  # noqa: ANN401 - any type of ours
    if isinstance(value, BaseModel):
        return str(value.model_dump()) + str(value.model_dump(mode="json")) + value.model_dump_json(warnings=False)
    return ""


RENDERINGS: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "in a container": lambda value: f"{[value]} {({'x': value},)} {value!a}",
    "pprint": lambda value: pprint.pformat({"x": [value]}),
    "json": lambda value: json.dumps({"x": value}, default=str),
    "traceback": _traceback,
    "log": _log,
    "dump": _dumped,
    "copy": lambda value: repr(copy.copy(value)),
}


def test_there_are_values_that_hold_secrets() -> None:
    """The search finds those that are known, or the tests after it would look at nothing."""
    found = {str(each) for each in holders()}
    for name in (
        "settings.GitHubSettings",
        "settings.ServeSettings",
        "model.records.Registration",
        "credentials.role.Session",
        "job.attempt.Attempt",
    ):
        assert f"runnerkit.{name}" in found
    assert len(found) >= 12


@settings(max_examples=4, deadline=None)
@given(text=TEXTS)
def test_no_holder_shows_its_secret(text: str) -> None:
    """Neither by repr, str, format, pprint, JSON, a traceback with its locals, a log, an event, a dump, nor a copy."""
    for holder in holders():
        value = holder.filled(text)
        for name, rendering in RENDERINGS.items():
            shown = rendering(value)
            escaped = text.encode("unicode_escape").decode()
            assert text not in shown, f"{holder} shows {set(holder.fields)} by {name}"
            assert escaped not in shown, f"{holder} shows {set(holder.fields)} by {name}"
            assert json.dumps(text)[1:-1] not in shown, f"{holder} shows {set(holder.fields)} by {name}"


@given(text=TEXTS)
@settings(max_examples=5, deadline=None)
def test_no_secret_is_pickled(text: str) -> None:
    """A pickle would hold the text itself; so a secret, and settings that hold one, refuse to be one."""
    assert "" == _pickled(Secret(text))
    for holder in holders():
        if any("Secret" in told for told in holder.fields.values()):
            assert text not in _pickled(holder.filled(text)), f"{holder} can be pickled"


@given(text=TEXTS)
@settings(max_examples=4, deadline=None)
def test_settings_that_are_refused_do_not_repeat_their_secrets(text: str) -> None:
    """Whatever is wrong with a value or beside it: the error names the key, and not what stands there."""
    for name, value in (
        ("RUNNERKIT_SERVE__PAGE_PASSWORD", text[:11]),
        ("RUNNERKIT_SERVE__WEBHOOK_SECRETS", f"{text[:11]},{text}"),
        ("RUNNERKIT_GITHUB", text),
    ):
        with pytest.raises(ConfigError) as caught:
            load({name: value}, Path("/nonexistent"))
        said = "".join(traceback.format_exception(caught.value)) + str(caught.value.as_dict())
        assert text[:11] not in said, name


@pytest.mark.parametrize("as_json", [True, False])
def test_the_configuration_is_shown_without_them(
    as_json: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`config show` and an error about the rest tell that a secret is set, and from where, but not which."""
    text = "zq7Xa-secret-of-the-environment"
    monkeypatch.chdir(tmp_path)
    told = {
        "RUNNERKIT_GITHUB__TOKEN": text,
        "RUNNERKIT_GITHUB__PRIVATE_KEY": text,
        "RUNNERKIT_SERVE__PAGE_PASSWORD": text,
        "RUNNERKIT_SERVE__WEBHOOK_SECRETS": f"{text},{text}2",
    }
    with capture_logs() as logged:
        done = CliRunner().invoke(app, ["config", "show", *(["--json"] if as_json else [])], env=told)
        broken = CliRunner().invoke(app, ["config", "check"], env={**told, "RUNNERKIT_POLICY__MAX_MACHINES": "many"})
    assert (0, 2) == (done.exit_code, broken.exit_code)
    shown = done.stdout + done.stderr + broken.stdout + broken.stderr + str(logged)
    assert "zq7X" not in shown
    assert "***" in done.stdout


def test_a_whole_configuration_hides_them_at_any_depth() -> None:
    """The configuration holds sections, and they hold secrets."""
    told = {"RUNNERKIT_GITHUB__TOKEN": "zq7Xtoken", "RUNNERKIT_SERVE__PAGE_PASSWORD": "zq7Xpassword-long"}
    config: Config = load(told, Path("/nonexistent"))[0]
    for name, rendering in RENDERINGS.items():
        assert "zq7X" not in rendering(config), name
    assert "" == _pickled(config)


def test_a_file_that_was_found_sends_no_token_elsewhere(tmp_path: Path) -> None:
    """Settings of a checkout cannot name an address for a token of the environment; a file that was named may."""
    file = tmp_path / "runnerkit.toml"
    file.write_text('[github]\napi_url = "https://owned.example"\n')
    told = {"GITHUB_TOKEN": "zq7Xtoken"}
    with pytest.raises(ConfigError) as caught:
        load(told, tmp_path)
    assert "would send the token" in caught.value.message
    assert "zq7X" not in str(caught.value.as_dict())
    assert "https://owned.example" == load(told, tmp_path, file)[0].github.api_url
