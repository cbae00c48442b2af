"""Whether what a lock names is really on the remote: a lock without its data is worse than none."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from runnerkit.job.pipeline import PROJECT, lenient, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from runnerkit.job.locks.bundle import Bundle
    from runnerkit.job.stores import Store

# Where DVC 3 keeps objects below a remote, and DVC 2 did.
# https://doc.dvc.org/user-guide/project-structure/internal-files
PLACES = ("files/md5/{}/{}", "{}/{}")
AT_ONCE = 16
_MD5 = re.compile(r"[0-9a-f]{32}(?:\.dir)?")


def named(bundle: Bundle, elsewhere: Callable[[str, str, str], bool] = lambda *_: False) -> dict[str, str]:
    """The objects that the locks name: what each holds, by its hash.

    Args:
        bundle: The locks.
        elsewhere: Whether the output of a stage is not meant to be on the default remote (lock, stage, output).
    """
    return {
        md5: str(PurePosixPath(file.path).parent / path)
        for file in bundle.locks
        for stage, path, md5 in _outs(parse_yaml(file.text, file.path))
        if not elsewhere(file.path, stage, path)
    }


def _outs(lock: Any) -> Iterator[tuple[str, str, str]]:  # noqa: ANN401 - YAML is anything
    stages = lock.get("stages") if isinstance(lock, dict) else None
    for name, entry in (stages or {}).items():
        outs = entry.get("outs") if isinstance(entry, dict) else None
        for out in outs if isinstance(outs, list) else ():
            if isinstance(out, dict) and _MD5.fullmatch(str(out.get("md5"))) and "cloud" not in out:
                yield str(name), str(out.get("path")), str(out["md5"])


def missing(objects: Mapping[str, str], remote: Store) -> list[str]:
    """What is not on the remote, by what it holds. A folder's list is pushed after its files, so it stands for them.

    Args:
        objects: See :func:`named`.
        remote: The DVC remote itself.

    Raises:
        CloudError: The remote cannot be asked.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        there = list(pool.map(lambda md5: _is_there(remote, md5), objects))
    return sorted(path for (_, path), held in zip(objects.items(), there, strict=True) if not held)


def _is_there(remote: Store, md5: str) -> bool:
    keys = [place.format(md5[:2], md5[2:]) for place in PLACES]
    return any(kept.key == key for key in keys for kept in remote.listed(key))


class Elsewhere:
    """Which outputs a checkout keeps off the default remote: not cached, ``push: false``, or on another ``remote``.

    Args:
        top: The repository's folder.
    """

    def __init__(self, top: Path) -> None:
        self._top = top
        self._known: dict[str, dict[str, Any]] = {}

    def __call__(self, lock: str, stage: str, path: str) -> bool:
        """Whether an output is kept elsewhere."""
        if lock not in self._known:
            said = lenient(self._top / Path(lock).parent / PROJECT)
            stages = said.get("stages") if isinstance(said, dict) else None
            self._known[lock] = stages if isinstance(stages, dict) else {}
        stages = self._known[lock]
        body = stages.get(stage) or stages.get(stage.partition("@")[0])
        inner = body.get("do") if isinstance(body, dict) and isinstance(body.get("do"), dict) else body
        return any(_is_elsewhere(options) for name, options in _options(inner) if _may_be(name, path))


def _options(body: Any) -> Iterable[tuple[str, Mapping[str, Any]]]:  # noqa: ANN401 - YAML is anything
    said = body if isinstance(body, dict) else {}
    rows = [row for kind in ("outs", "metrics", "plots") for row in (said.get(kind) or [])]
    pairs = [pair for row in rows if isinstance(row, dict) for pair in row.items()]
    return [(str(name), options) for name, options in pairs if isinstance(options, dict)]


def _is_elsewhere(options: Mapping[str, Any]) -> bool:
    return options.get("cache") is False or options.get("push") is False or bool(options.get("remote"))


def _may_be(name: str, path: str) -> bool:
    parts = [re.escape(part) for part in re.split(r"\$\{[^}]*\}", os.path.normpath(name))]
    return re.fullmatch(".+".join(parts), path) is not None
