"""What a DVC project tells about itself: its stages, what they read, and where its remote is. Pure.

Everything here was written by whoever wrote the checkout, so what is odd is left out and nothing is believed.
"""

from __future__ import annotations

import posixpath
import re
from configparser import ConfigParser, Error
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from runnerkit.beginning.words import Pipeline
from runnerkit.names import REGION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FILE, CONFIG = "dvc.yaml", ".dvc/config"
# More than so many paths make a workflow that nobody reads; the folder as a whole is watched then.
MOST_WATCHED = 30
LONGEST_PATH = 255
PREFIX = re.compile(r"[A-Za-z0-9!_.()/=-]*")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def pipeline(texts: Mapping[str, str], prefix: str) -> Pipeline | None:
    """The DVC project in a folder; None when there is none."""
    if FILE not in texts and CONFIG not in texts:
        return None
    stages = _stages(texts.get(FILE, ""))
    kind, bucket, region, place = _remote(texts.get(CONFIG, ""))
    watched = _watched(stages, texts, prefix)
    return Pipeline(tuple(name for name in stages if name.isprintable()), watched, kind, bucket, region, place)


def _stages(text: str) -> dict[str, Any]:
    try:
        read = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    stages = read.get("stages") if isinstance(read, dict) else None
    return {str(name): stage for name, stage in stages.items()} if isinstance(stages, dict) else {}


def _watched(stages: Mapping[str, Any], texts: Mapping[str, str], prefix: str) -> tuple[str, ...]:
    """What the pipeline is made of and reads, except what another stage writes, from the checkout's top."""
    made = set(_paths(stages, "outs", "metrics", "plots"))
    read = {path for path in _paths(stages, "deps", "params") if not _within(path, made)}
    known = [name for name in ("dvc.lock", "params.yaml") if name in texts or name == "dvc.lock"]
    paths = sorted({posixpath.join(prefix, path) for path in (FILE, *known, *read)})
    return tuple(paths) if len(paths) <= MOST_WATCHED else (f"{prefix}**",)


def _paths(stages: Mapping[str, Any], *keys: str) -> Iterator[str]:
    for stage in stages.values():
        # A stage that is repeated says under `do` what is done.
        body = stage.get("do", stage) if isinstance(stage, dict) else {}
        folder = body.get("wdir", ".") if isinstance(body, dict) else "."
        for key in keys:
            for text in _listed(body.get(key) if isinstance(body, dict) else None, names=key == "params"):
                path = posixpath.normpath(posixpath.join(str(folder), text))
                if is_plain(path) and "://" not in text:
                    yield path


def _listed(value: object, *, names: bool) -> Iterable[str]:
    """The paths of a list; of params only the files, which are keys: a text names a value in ``params.yaml``."""
    if isinstance(value, dict):
        value = [{key: None} for key in value]
    for each in value if isinstance(value, list) else ():
        if isinstance(each, dict):
            yield from (str(key) for key in each)
        elif isinstance(each, str):
            yield "params.yaml" if names else each


def is_plain(path: str) -> bool:
    """Whether a path is within its folder, printable, and nothing that DVC or GitHub would fill in."""
    odd = path.startswith(("/", "../", "-")) or path in {"", ".", ".."} or "$" in path
    return path.isprintable() and not odd and len(path) <= LONGEST_PATH


def _within(path: str, folders: Iterable[str]) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in folders)


def _remote(text: str) -> tuple[str, str, str, str]:
    """Scheme, bucket, region and whole address of the default remote, or of the only one."""
    config = ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string(text)
    except Error:
        return "", "", "", ""
    sections = [name for name in config.sections() if name.strip("'\"").startswith("remote ")]
    default = config.get("core", "remote", fallback="").strip("'\"")
    wanted = [name for name in sections if name.strip("'\"").removeprefix("remote ").strip("\"'") == default]
    if not (wanted or len(sections) == 1):
        return "", "", "", ""
    section = (wanted or sections)[0]
    url, region = config.get(section, "url", fallback=""), config.get(section, "region", fallback="")
    return _place(url, region)


def _place(url: str, region: str) -> tuple[str, str, str, str]:
    try:
        split = urlsplit(url)
    except ValueError:
        return "", "", "", ""
    kind = split.scheme or ("local" if url else "")
    bucket = split.netloc if kind == "s3" and BUCKET.fullmatch(split.netloc) else ""
    path = split.path.strip("/")
    place = f"s3://{bucket}/{path}".rstrip("/") if bucket and PREFIX.fullmatch(path) else ""
    return kind, bucket, region if REGION.fullmatch(region) else "", place
