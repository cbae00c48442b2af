"""Files as a run shall see them: a stage that is not frozen, params with other values.

The change is made in the text, at the one place that it concerns: whatever else stands there means the same to DVC,
which reads YAML by other rules than most.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from typing import TYPE_CHECKING, Any

import yaml

from runnerkit.errors import ConfigError
from runnerkit.job.pipeline import PROJECT, parse_yaml
from runnerkit.job.versions import parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from runnerkit.job.pipeline import Project

PARAMS = "params.yaml"
# What may stand in YAML as it is; all else is written as JSON, which YAML takes everywhere.
_PLAIN = re.compile(r"[\w.+-]+")
_SET = re.compile(r"(?:(?P<file>[^=]*[^=:]):)?(?P<name>[^=:]+)=(?P<value>.*)", re.DOTALL)


def changes(project: Project, unfreeze: Sequence[str], params: Sequence[str]) -> dict[Path, bytes]:
    """What ``--unfreeze`` and ``--set-param`` make of the project's files.

    Args:
        project: Where they are.
        unfreeze: Names of frozen stages.
        params: Each ``[FILE:]NAME=VALUE``.

    Raises:
        ConfigError: There is no such stage or param, or the text cannot be changed; the message says what there is.
    """
    texts: dict[Path, str] = {}

    def text(path: Path) -> str:
        return texts[path] if path in texts else _read(path)

    for address in unfreeze:
        path, name = _file_of(project, address)
        texts[path] = _unfrozen(text(path), address, name, path)
    for said in params:
        path, name, value = _understood(project, said)
        texts[path] = _with(text(path), path, name, value)
    return {path: text.encode() for path, text in texts.items()}


def as_run(project: Project, params: Sequence[str], files: Collection[str]) -> dict[str, Any]:
    """What params files said in a run that set some for itself alone, by their names; those left out did not change.

    Args:
        project: Where they are.
        params: Each ``[FILE:]NAME=VALUE``, from a result file: it may say anything.
        files: The params files that the project declares; no other is read.

    Raises:
        ConfigError: A param is not there any more.
    """
    ours = [said for said in params if (found := _SET.fullmatch(said)) and (found["file"] or PARAMS) in files]
    texts = {os.path.relpath(path, project.here): text.decode() for path, text in changes(project, (), ours).items()}
    return {file: parsed(file, text) for file, text in texts.items()}


def _read(path: Path) -> str:
    try:
        # Not `read_text`: ends of lines must stay as they are.
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def _file_of(project: Project, address: str) -> tuple[Path, str]:
    file, _, name = address.rpartition(":")
    if "@" in name:
        raise ConfigError(
            f"{address!r} is one of a group, which is frozen as a whole", hint=f"--unfreeze {name.partition('@')[0]}"
        )
    return project.here / (file or PROJECT), name


def _unfrozen(text: str, address: str, name: str, path: Path) -> str:
    stages = (parse_yaml(text, str(path)) or {}).get("stages") or {}
    body = stages.get(name)
    if not isinstance(body, dict):
        raise ConfigError(f"{path} has no stage {address!r}", hint=_near(name, stages))
    inner = ("do",) if isinstance(body.get("do"), dict) and "frozen" in body["do"] else ()
    if "frozen" not in (body["do"] if inner else body):
        raise ConfigError(f"stage {address!r} is not frozen", hint="leave --unfreeze out")
    return _replaced(text, ("stages", name, *inner, "frozen"), "false", path)


def _understood(project: Project, said: str) -> tuple[Path, str, str]:
    found = _SET.fullmatch(said)
    if found is None:
        raise ConfigError(f"{said!r} sets no param", hint="--set-param NAME=VALUE, or FILE:NAME=VALUE")
    path = project.here / (found["file"] or PARAMS)
    if not path.is_file():
        raise ConfigError(f"there is no params file {os.path.relpath(path, project.here)!r} in {project.here}")
    return path, found["name"].strip(), found["value"].strip()


def _with(text: str, path: Path, name: str, value: str) -> str:
    writer = _WRITERS.get(path.suffix)
    if writer is None:
        raise ConfigError(
            f"params in {path.name} cannot be set for one run", hint=f"files that can be: {', '.join(_WRITERS)}"
        )
    return writer(text, path, name, value)


def _in_yaml(text: str, path: Path, name: str, value: str) -> str:
    meant = parse_yaml(value, f"the value of {name}")
    written = value if _PLAIN.fullmatch(value) else json.dumps(meant, ensure_ascii=False, default=str)
    keys = _keys(parse_yaml(text, str(path)), name, path)
    return _replaced(text, keys, written, path)


def _in_json(text: str, path: Path, name: str, value: str) -> str:
    try:
        said = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON: {error}") from error
    try:
        meant = json.loads(value)
    except ValueError:
        meant = value
    return json.dumps(_put(said, _keys(said, name, path), meant), indent=2)


def _in_toml(text: str, path: Path, name: str, value: str) -> str:
    import tomllib

    try:
        import tomlkit
    except ImportError as error:
        raise ConfigError(f"params in {path.name} cannot be set here", hint="pip install tomlkit") from error
    try:
        meant: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        meant = value
    said = tomlkit.parse(text)
    return tomlkit.dumps(_put(said, _keys(said, name, path), meant))


_WRITERS: Mapping[str, Callable[[str, Path, str, str], str]] = {
    ".yaml": _in_yaml,
    ".yml": _in_yaml,
    ".json": _in_json,
    ".toml": _in_toml,
}


def _keys(said: Any, name: str, path: Path) -> tuple[Any, ...]:  # noqa: ANN401 - YAML is anything
    """The way to a param that exists: a name with a slip in it would change nothing and nobody would notice."""
    found: list[Any] = []
    for part in re.sub(r"\[(\d+)\]", r".\1", name).split("."):
        key = _key(said, part)
        if key is None:
            options = said if isinstance(said, dict) else {}
            raise ConfigError(f"{path.name} has no param {name!r}", hint=_near(part, options, found))
        found.append(key)
        said = said[key]
    return tuple(found)


def _key(said: Any, part: str) -> Any:  # noqa: ANN401 - a key of YAML is anything
    if isinstance(said, list):
        return int(part) if part.isdecimal() and int(part) < len(said) else None
    keys = said if isinstance(said, dict) else {}
    return next((key for key in keys if str(key) == part), None)


def _put(said: Any, keys: Sequence[Any], value: Any) -> Any:  # noqa: ANN401 - JSON is anything
    inner = said
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return said


def _near(name: str, options: Iterable[Any], above: Sequence[Any] = ()) -> str:
    names = [str(each) for each in options]
    near = difflib.get_close_matches(name, names, n=3) or names[:10]
    start = "".join(f"{each}." for each in above)
    return f"there is {', '.join(start + each for each in near)}" if near else "it must be in the file already"


# --- the text of YAML


def _replaced(text: str, keys: Sequence[Any], value: str, path: Path) -> str:
    """The text with one value replaced, proven by reading it again.

    Raises:
        ConfigError: It cannot be done without changing something else, as where an anchor is.
    """
    node = yaml.compose(text, yaml.SafeLoader)
    for key in keys:
        node = _below(node, key)
    if node is not None:
        start, end = node.start_mark.index, node.end_mark.index
        block = getattr(node, "flow_style", None) is False or getattr(node, "style", None) in {"|", ">"}
        tail = "\n" + " " * node.end_mark.column if block and text[:end].endswith(("\n", " ")) else ""
        new = text[:start] + value + tail + text[end:]
        if _same(text, new, keys, value):
            return new
    raise ConfigError(
        f"{'.'.join(map(str, keys))} in {path} cannot be changed for one run: its value is written in another place",
        hint="write it out where it stands, without anchor, alias or merge",
    )


def _below(node: Any, key: Any) -> Any:  # noqa: ANN401 - YAML's nodes
    if isinstance(node, yaml.SequenceNode):
        return node.value[key]
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if getattr(name, "value", None) == str(key)), None)


def _same(old: str, new: str, keys: Sequence[Any], value: str) -> bool:
    try:
        before, after = yaml.safe_load(old), yaml.safe_load(new)
        return bool(_put(before, keys, yaml.safe_load(value)) == after)
    except (yaml.YAMLError, TypeError, KeyError, IndexError):
        return False
