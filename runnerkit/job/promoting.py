"""What must be true before a version of a model goes to a stage: each reason against it is named, all at once.

Versions and stages are git tags, so what they promise must be where others find it: the commit on the remote
repository, and the model's file on the DVC remote.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ConfigError, PromotionRefused, RunnerkitError
from runnerkit.job.checks import git
from runnerkit.job.pipeline import LOCK, PROJECT, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from runnerkit.job.pipeline import Settings
    from runnerkit.job.stores import Store

    Opened = Callable[[str, Mapping[str, str], str], Store]

# Files whose newest state nobody else has while they are not even in git.
OURS = (LOCK, PROJECT, "gate.toml")
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Model:
    """A model as a commit declares it under ``artifacts:`` in a ``dvc.yaml``; ``path`` is from the repository's root.

    Its name for GTO is ``FOLDER:NAME`` where the ``dvc.yaml`` is in a folder.
    """

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Tracked:
    """A file or folder that DVC tracks, by its hash; ``legacy`` ones are from before DVC 3, which kept them elsewhere.

    ``remote`` names another remote than the default one. ``versioned`` ones are found by the version that the lock
    names.
    """

    path: str
    md5: str
    legacy: bool = False
    remote: str = ""
    versioned: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether the hash is that of a list of files."""
        return self.md5.endswith(".dir")


def declared_models(root: Path, commit: str) -> dict[str, Model]:
    """The models that a commit declares, by their names."""
    found = {}
    for file, said in _files(root, commit, PROJECT):
        folder = PurePosixPath(file).parent
        artifacts = said.get("artifacts") if isinstance(said, dict) else None
        for name, body in (artifacts if isinstance(artifacts, dict) else {}).items():
            full = str(name) if str(folder) == "." else f"{folder}:{name}"
            if isinstance(body, dict) and body.get("path"):
                found[full] = Model(full, _joined(folder, str(body["path"])))
    return found


def tracked(root: Path, commit: str, path: str) -> Tracked | None:
    """What DVC tracks of a path, or of a folder that it is in, at a commit; None when DVC knows nothing of it."""
    outs = [*_locked(root, commit), *_dvc_files(root, commit)]
    around = [out for out in outs if path == out.path or path.startswith(f"{out.path}/")]
    return max(around, key=lambda out: len(out.path), default=None)


def _files(root: Path, commit: str, name: str) -> Iterator[tuple[str, Any]]:
    listed = git(root, "ls-tree", "-r", "--name-only", "-z", commit) or ""
    for file in listed.split("\0"):
        if file and (PurePosixPath(file).name == name or (name.startswith(".") and file.endswith(name))):
            try:
                yield file, parse_yaml(git(root, "show", f"{commit}:{file}") or "", file)
            except ConfigError:
                continue


def _locked(root: Path, commit: str) -> Iterator[Tracked]:
    remotes = {file: _remotes(said) for file, said in _files(root, commit, PROJECT)}
    for file, said in _files(root, commit, LOCK):
        folder = PurePosixPath(file).parent
        stages = said.get("stages") if isinstance(said, dict) else None
        for name, entry in (stages if isinstance(stages, dict) else {}).items():
            wdir, named = remotes.get(str(folder / PROJECT), {}).get(str(name).partition("@")[0], (".", {}))
            for out in (entry.get("outs") or []) if isinstance(entry, dict) else []:
                yield from _tracked(out, folder / wdir, named)


def _remotes(said: object) -> dict[str, tuple[str, dict[str, str]]]:
    """The working directory and the remotes of the outputs, of each stage."""
    stages = said.get("stages") if isinstance(said, dict) else None
    found = {}
    for name, body in (stages if isinstance(stages, dict) else {}).items():
        inner = body.get("do", body) if isinstance(body, dict) else {}
        outs = [each for each in (inner.get("outs") or []) if isinstance(each, dict)] if isinstance(inner, dict) else []
        named = {path: str(opts.get("remote") or "") for out in outs for path, opts in out.items() if opts}
        found[str(name)] = (str(inner.get("wdir") or ".") if isinstance(inner, dict) else ".", named)
    return found


def _dvc_files(root: Path, commit: str) -> Iterator[Tracked]:
    for file, said in _files(root, commit, ".dvc"):
        for out in (said.get("outs") or []) if isinstance(said, dict) else []:
            named = {str(out.get("path")): str(out.get("remote") or "")} if isinstance(out, dict) else {}
            yield from _tracked(out, PurePosixPath(file).parent / str(said.get("wdir") or "."), named)


def _tracked(out: object, folder: PurePosixPath, remotes: Mapping[str, str]) -> Iterator[Tracked]:
    if isinstance(out, dict) and out.get("path") and out.get("md5"):
        path, md5 = str(out["path"]), str(out["md5"])
        legacy = out.get("hash") != "md5"
        yield Tracked(_joined(folder, path), md5, legacy, remotes.get(path, ""), bool(out.get("cloud")))


def _joined(folder: PurePosixPath, path: str) -> str:
    parts: list[str] = []
    for part in (folder / path).parts:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


# --- reasons against it -----------------------------------------------------------------------------------------------


def dirty(root: Path) -> list[str]:
    """Why the checkout is not what its commit says."""
    said = git(root, "status", "--porcelain", "-z", "--untracked-files=all") or ""
    entries = [each for each in said.split("\0") if len(each) > 3]  # noqa: PLR2004 - two letters and a space come first
    changed = [each[3:] for each in entries if not each.startswith("??")]
    new = [each[3:] for each in entries if each.startswith("??")]
    new = [each for each in new if PurePosixPath(each).name in OURS or each.endswith(".dvc")]
    named = _some([*changed, *new])
    return [f"the checkout has changes that are not committed: {named}"] if named else []


def unpushed(root: Path, commit: str, remote: str) -> list[str]:
    """Why others do not have the commit."""
    if not remote:
        return ["the repository has no remote, so nobody else has this commit"]
    branches = git(root, "branch", "--remotes", "--contains", commit, "--format=%(refname)") or ""
    if any(line.startswith(f"refs/remotes/{remote}/") for line in branches.splitlines()):
        return []
    there = git(root, "ls-remote", "--heads", "--tags", remote)
    if there is None:
        return [f"the remote {remote} cannot be reached, so whether it has the commit is not known"]
    if commit in {line.split("\t")[0] for line in there.splitlines()}:
        return []
    return [f"the commit {commit[:8]} is on no branch of {remote}: push it, lock and all, and merge it first"]


def absent(root: Path, commit: str, model: Model, settings: Settings, opened: Opened) -> list[str]:
    """Why the model's file cannot be got by whoever deploys it.

    Args:
        root: The repository.
        commit: At which commit.
        model: Which.
        settings: DVC's, with the remotes.
        opened: Opens the part of a DVC remote below a prefix, from its address and options.
    """
    out = tracked(root, commit, model.path)
    if out is None:
        if git(root, "cat-file", "-e", f"{commit}:{model.path}") is not None:
            return []
        return [f"{model.path} is neither in git at {commit[:8]} nor known to a {LOCK} or .dvc file there"]
    if out.versioned:
        return []
    options = settings.sections.get(f'remote "{out.remote}"', {}) if out.remote else settings.remote_options
    try:
        lost = _lost(out, options, opened)
    except RunnerkitError as error:
        return [f"whether {model.path} is on the DVC remote cannot be told: {error.message}"]
    named = f": {_some(lost)}" if out.is_folder and lost != [out.path] else ""
    return [f"{out.path} ({out.md5[:8]}) is not on the DVC remote{named}; run `dvc push`"] if lost else []


def _lost(out: Tracked, options: Mapping[str, str], opened: Opened) -> list[str]:
    root = "" if out.legacy else "files/md5/"

    def at(md5: str) -> Store:
        return opened(options.get("url", ""), options, f"{root}{md5[:2]}")

    if not out.is_folder:
        return [] if _has(at(out.md5), out.md5[2:]) else [out.path]
    said = at(out.md5).get(out.md5[2:])
    if said is None:
        return [out.path]
    files = {str(each["md5"]): str(each["relpath"]) for each in json.loads(said)}
    by_start: dict[str, set[str]] = defaultdict(set)
    for md5 in files:
        by_start[md5[:2]].add(md5)
    lost = []
    for start, wanted in by_start.items():
        there = {f"{start}{kept.key}" for kept in at(start).listed()}
        lost += [files[md5] for md5 in sorted(wanted - there)]
    return lost


def _has(store: Store, key: str) -> bool:
    return any(kept.key == key for kept in store.listed(key))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def refuse(what: str, reasons: Sequence[str]) -> None:
    """Refuse with every reason, if there is one.

    Raises:
        PromotionRefused: There is.
    """
    if reasons:
        told = "".join(f"\n- {reason}" for reason in reasons)
        raise PromotionRefused(f"{what} is refused:{told}", reasons=reasons, hint="nothing was changed")


def bumped(part: str) -> str:
    """The first version of a model, by the part that somebody wants to count up."""
    return {"major": "v1.0.0", "minor": "v0.1.0"}.get(part, "v0.0.1")


def checked_version(text: str) -> str:
    """A version as GTO writes it.

    Raises:
        ConfigError: It is none.
    """
    if not re.fullmatch(r"v[0-9]+\.[0-9]+\.[0-9]+(?:[-+][0-9A-Za-z.+-]+)?", text):
        raise ConfigError(f"--version {text!r} is no version", hint="write it as v1.2.0")
    return text
