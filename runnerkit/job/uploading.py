"""Files and folders as they are published: which ones, under which keys, and the one that people open last.

A folder that is given alone is published as what it is; of several paths each keeps its own name, so that a page and
the folder with its pictures stay beside each other.
"""

from __future__ import annotations

import fnmatch
import mimetypes
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ConfigError, PolicyRefused, RunnerkitError
from runnerkit.job.stores import is_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runnerkit.job.stores import Store

AT_ONCE = 8
PAGES = (".html", ".htm")
INDEX = "index.html"
# What has secrets in it, or the whole history; who means it names the file itself.
PRIVATE = (
    ".env", ".env.*", ".git", ".ssh", ".aws", ".netrc", ".npmrc", ".pypirc", ".docker", ".gnupg", ".kube", ".dvc",
    ".runnerkit", ".git-credentials", ".htpasswd", "id_rsa*", "id_ed25519*", "id_ecdsa*", "*.pem", "*.key", "*.p12",
    "credentials.json", ".envrc", ".pgpass", ".azure", ".boto", ".s3cfg", ".renviron", ".terraform", "*.tfstate",
    "*.pfx", "*.ppk", "*.jks", "*.keystore", "secrets.toml", "secrets.y*ml",
)  # fmt: skip
# The same on every computer, whatever its own table of types says.
_TYPES = mimetypes.MimeTypes()
_OWN_TYPES = {
    ".md": "text/markdown", ".csv": "text/csv", ".log": "text/plain", ".yaml": "text/plain", ".yml": "text/plain",
    ".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json", ".svg": "image/svg+xml",
    ".parquet": "application/vnd.apache.parquet", ".wasm": "application/wasm", ".woff2": "font/woff2",
    ".woff": "font/woff", ".webp": "image/webp", ".map": "application/json", ".ipynb": "application/x-ipynb+json",
}  # fmt: skip
_IN_UTF_8 = ("text/", "application/json", "image/svg+xml")


@dataclass(frozen=True, slots=True)
class Item:
    """A file and the key under which it is published."""

    key: str
    path: Path

    @property
    def content_type(self) -> str:
        """What browsers are told it is."""
        return content_type(self.key)


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What was published: where, which file people open, how many files of how many bytes altogether."""

    address: str
    index: str
    url: str
    files: int
    size: int

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "url": self.url,
            "address": f"{self.address}/{self.index}",
            "index": self.index,
            "files": self.files,
            "bytes": self.size,
        }


def content_type(name: str) -> str:
    """The type of a file by its name; texts are taken for UTF-8."""
    found, encoding = _TYPES.guess_type(name)
    if encoding:
        return "application/gzip" if encoding == "gzip" else "application/octet-stream"
    kind = _OWN_TYPES.get(Path(name).suffix.lower()) or found or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith(_IN_UTF_8) else kind


def gathered(paths: Sequence[Path]) -> list[Item]:
    """Every file of these paths with its key, sorted; links are followed, as DVC may have made them.

    Raises:
        ConfigError: A path is missing or no file, there is nothing at all, two would have the same key, or a name that
            no store takes.
        PolicyRefused: A folder has files that should not be published.
    """
    if not paths:
        raise ConfigError("nothing is named to publish", hint="name files or folders: runnerkit publish report.html")
    alone = len(paths) == 1
    items = [item for path in paths for item in _of(path, alone=alone)]
    if not items:
        raise ConfigError(f"there is nothing to publish in {', '.join(map(str, paths))}", hint="no file is there")
    _refuse_private(paths, items)
    _refuse_odd(items)
    return sorted(items, key=lambda item: item.key)


def _of(path: Path, *, alone: bool) -> Iterator[Item]:
    if path.is_file():
        yield Item(path.name, path)
    elif path.is_dir():
        prefix = "" if alone else f"{path.resolve().name}/"
        for file in _files(path):
            yield Item(prefix + file.relative_to(path).as_posix(), file)
    else:
        what = "is no file and no folder" if path.exists() or path.is_symlink() else "does not exist"
        raise ConfigError(f"{path} {what}, so it cannot be published", hint="publish it after it was written")


def _files(folder: Path) -> Iterator[Path]:
    seen = {folder.resolve()}
    for place, folders, names in os.walk(folder, followlinks=True):
        # A link to a folder above would never end.
        known = {name: (Path(place) / name).resolve() for name in sorted(folders)}
        folders[:] = [name for name, real in known.items() if real not in seen and not seen.add(real)]  # type: ignore[func-returns-value] # adds it
        yield from (Path(place) / name for name in sorted(names))


def _refuse_private(paths: Sequence[Path], items: Iterable[Item]) -> None:
    # A link is not what somebody named, but what the checkout makes of it.
    named = {path for path in paths if path.is_file() and not path.is_symlink()}
    found = [item for item in items if item.path not in named and _is_private(item)]
    if found:
        some = ", ".join(str(item.path) for item in found[:5]) + (f" and {len(found) - 5} more" if found[5:] else "")
        raise PolicyRefused(
            f"these may have secrets in them and are not published: {some}",
            hint="take them out of the folder; who means such a file gives its own path",
        )


def _is_private(item: Item) -> bool:
    # DVC's own links lead into its cache.
    names = {*item.key.split("/"), *item.path.resolve().parts} - ({".dvc"} - set(item.key.split("/")))
    return any(fnmatch.fnmatchcase(name.lower(), pattern) for name in names for pattern in PRIVATE)


def _refuse_odd(items: Sequence[Item]) -> None:
    for item in items:
        if not item.path.is_file():
            raise ConfigError(f"{item.path} cannot be published: it is a broken link, or no plain file")
        if not is_key(item.key):
            raise ConfigError(f"{item.key!r} cannot be published under this name", hint="rename it")
    keys = [item.key for item in items]
    twice = sorted({key for key in keys if keys.count(key) > 1}) if len(set(keys)) < len(keys) else []
    if twice:
        raise ConfigError(f"several files would be published as {twice[0]}", hint="give other names, or one folder")


def index_of(items: Sequence[Item], paths: Sequence[Path]) -> Item:
    """The file that people open: index.html, or the first page of those that were named, or the only or first file."""
    by_key = {item.key: item for item in items}
    named = [by_key[path.name] for path in paths if path.name in by_key]
    tops = sorted(items, key=lambda item: (item.key.count("/"), item.key))
    indexes = [item for item in tops if Path(item.key).name.lower() == INDEX]
    pages = [item for item in tops if item.key.lower().endswith(PAGES)]
    first_page = [item for item in named if item.key.lower().endswith(PAGES)]
    top_index = [item for item in indexes if "/" not in item.key]
    return [*top_index, *first_page, *indexes, *pages, *named, *tops][0]


def uploaded(items: Sequence[Item], index: Item, store: Store, url: str) -> Uploaded:
    """Publish them, several at once, the index last: who can open it finds all the rest.

    Args:
        items: What.
        index: The one that comes last.
        store: Where.
        url: The address for people.

    Raises:
        ConfigError: No such bucket.
        CloudError: An upload failed; what was new is removed again, as far as that is possible.
    """
    there = _there(store)
    begun: list[str] = []
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            jobs = [pool.submit(_put, store, item, begun) for item in items if item is not index]
            try:
                for job in jobs:
                    job.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        _put(store, index, begun)
    except BaseException:
        _take_back(store, begun, there)
        raise
    size = sum(item.path.stat().st_size for item in items)
    return Uploaded(store.address, index.key, url, len(items), size)


def _put(store: Store, item: Item, begun: list[str]) -> None:
    begun.append(item.key)
    store.put(item.key, item.path, item.content_type)


def _there(store: Store) -> set[str] | None:
    """What is there already; None when these credentials may only write."""
    try:
        return {kept.key for kept in store.listed()}
    except RunnerkitError:
        return None


def _take_back(store: Store, begun: Sequence[str], there: set[str] | None) -> None:
    if there is not None:
        with suppress(RunnerkitError):
            store.delete(sorted(set(begun) - there))
