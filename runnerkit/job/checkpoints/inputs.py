"""What a stage would compute from: one digest of its command, its dependencies and its params.

A checkpoint belongs to that digest. What DVC computed itself is known by the hash in ``dvc.lock``, since whatever comes
before a stage is settled when the stage starts; other files are read.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runnerkit.job.checkpoints.declared import normal
from runnerkit.job.pipeline import LOCK, lenient, stage_bodies, variable_files, wdir_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runnerkit.job.checkpoints.declared import Declared
    from runnerkit.job.pipeline import Project

BLOCK = 2**20
# Of a stage, what says nothing about what it computes.
_IDLE = ("meta", "desc", "frozen", "always_changed")


def digest(project: Project, stage: Declared, address: str) -> str:
    """The digest of one stage as it is about to run: 64 hexadecimal digits.

    Args:
        project: Where it stands.
        stage: What ``dvc.yaml`` says of it.
        address: Its name, with the key of ``foreach`` or ``matrix``.
    """
    body = {name: said for name, said in stage.body.items() if name not in _IDLE}
    templated = "${" in json.dumps(body, default=str)
    folder = _folder(project, address)
    known = dict(_known(project))
    paths = _read_now(project) if templated else [normal(stage.base, each) for each in _names(body.get("deps"))]
    told = {
        "address": f"{os.path.relpath(folder, project.root)}:{address.rpartition(':')[2]}",
        "body": body,
        "deps": {os.path.relpath(path, project.root): _content(path, known) for path in sorted(set(paths))},
        "params": _params(stage.base, body.get("params")),
        # Templates are filled in from these; which value goes where is known to DVC alone.
        "variables": {path.name: _content(path, {}) for path in sorted(variable_files(folder))} if templated else {},
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _folder(project: Project, address: str) -> Path:
    file, found, _ = address.rpartition(":")
    return normal(project.here, file).parent if found else project.here


def _names(listed: Any) -> list[str]:  # noqa: ANN401 - YAML is anything
    entries = listed if isinstance(listed, list) else []
    return [str(next(iter(each))) if isinstance(each, dict) and each else str(each) for each in entries]


def _known(project: Project) -> Iterator[tuple[Path, str]]:
    """The hash of everything that DVC tracks, as its files tell it."""
    for folder in project.folders():
        bodies = stage_bodies(folder)
        said = lenient(folder / LOCK)
        stages = said.get("stages") if isinstance(said, dict) else None
        for name, entry in (stages if isinstance(stages, dict) else {}).items():
            yield from _hashes(entry, folder / wdir_of(bodies.get(str(name).partition("@")[0]) or {}))
        for file in folder.glob("*.dvc"):
            entry = lenient(file) or {}
            yield from _hashes(entry, folder / str(entry.get("wdir") or ".") if isinstance(entry, dict) else folder)


def _hashes(entry: Any, base: Path) -> Iterator[tuple[Path, str]]:  # noqa: ANN401 - YAML is anything
    for out in (entry.get("outs") if isinstance(entry, dict) else None) or []:
        if isinstance(out, dict) and out.get("path") and (said := out.get("md5") or out.get("etag")):
            yield normal(base, str(out["path"])), str(said)


def _read_now(project: Project) -> list[Path]:
    """What DVC has locked for reading, which is what the stage that it runs now depends on."""
    try:
        said = json.loads((project.root / ".dvc/tmp/rwlock").read_text(encoding="utf-8"))
        return [Path(os.path.normpath(path)) for path, holders in said.get("read", {}).items() if holders]
    except (OSError, ValueError, AttributeError):
        return []


def _content(path: Path, known: Mapping[Path, str]) -> str:
    for each in (path, *path.parents):
        if each in known:
            return f"{known[each]} {path.relative_to(each)}"
    if path.is_dir():
        inner = sorted(each for each in path.rglob("*") if each.is_file() and "__pycache__" not in each.parts)
        return _digest_of(f"{each.relative_to(path)}\0{_content(each, known)}".encode() for each in inner)
    return _digest_of(_blocks(path)) if path.is_file() else "absent"


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def _digest_of(parts: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()


def _params(base: Path, listed: Any) -> list[Any]:  # noqa: ANN401 - YAML is anything
    """The values that a stage asks for; of a file that is no YAML, all of it."""
    found: list[Any] = []
    for entry in listed if isinstance(listed, list) else []:
        pairs = entry.items() if isinstance(entry, dict) else [("params.yaml", [entry])]
        for file, names in pairs:
            said = lenient(base / str(file)) if str(file).endswith((".yaml", ".yml", ".json")) else None
            if said is None or not names:
                found.append([file, _content(normal(base, str(file)), {})])
            else:
                found.append([file, [[name, _value(said, str(name))] for name in names]])
    return found


def _value(said: Any, name: str) -> Any:  # noqa: ANN401 - YAML is anything
    for part in name.split("."):
        if isinstance(said, list) and part.isdecimal() and int(part) < len(said):
            said = said[int(part)]
        else:
            said = said.get(part) if isinstance(said, dict) else None
    return said
