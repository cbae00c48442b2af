"""Where the pictures of a report go: a folder for an artifact, a store, or a branch of the repository itself.

Never anywhere else: who may see a picture is who may see the repository, or the bucket.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from runnerkit.errors import RunnerkitError
from runnerkit.job.checks import git, signed_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.job.pictures import Picture
    from runnerkit.job.place import Place
    from runnerkit.job.stores import Store

BRANCH = "runnerkit-reports"
PLACES = ("none", "artifact", "s3", "branch")
TRIES = 5
AUTHOR = ("-c", "user.name=runnerkit", "-c", "user.email=runnerkit@users.noreply.github.com")


@dataclass(slots=True)
class Placed:
    """Where pictures have come to be.

    Args:
        links: The address of each, by its name.
        shown: Whether the addresses are of the pictures themselves, so that a comment can show them.
        note: Where they are, for the reader, and ``page`` its address.
        problem: Why they are nowhere.
    """

    links: dict[str, str] = field(default_factory=dict)
    shown: bool = False
    note: str = ""
    page: str = ""
    problem: str = ""


def prefix(place: Place, key: str) -> str:
    """The part of a name that tells runs, attempts and reports apart."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", key).strip("-") or "report"
    return f"{place.run_id or 'local'}/{place.run_attempt}/{name}"


def in_folder(pictures: Sequence[Picture], folder: Path, place: Place) -> Placed:
    """Write them into a folder, for ``actions/upload-artifact`` to take."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _files(pictures).items():
        (folder / name).write_bytes(content)
    if not place.url:
        return Placed(note=str(folder))
    return Placed(note="the run's artifacts", page=f"{place.url}#artifacts")


def in_store(pictures: Sequence[Picture], store: Store, place: Place, key: str) -> Placed:
    """Write them below ``reports/`` and link to pages that ask for one's own sign-in."""
    start = f"reports/{prefix(place, key)}"
    try:
        for name, content in _files(pictures).items():
            store.put(f"{start}/{name}", content)
        return Placed({each.name: store.link(f"{start}/{each.name}") for each in pictures})
    except RunnerkitError as error:
        return Placed(problem=f"the pictures could not be stored: {error.message}")


def in_branch(
    pictures: Sequence[Picture], place: Place, key: str, environ: Mapping[str, str], branch: str = BRANCH
) -> Placed:
    """Commit them to a branch of the repository that has nothing in common with the others, and push it.

    The branch is only added to. Another job that adds at the same moment makes this one begin again.
    """
    server, start = environ.get("GITHUB_SERVER_URL", "").rstrip("/"), prefix(place, key)
    if not server or not place.repo:
        return Placed(
            problem="there is no branch for the pictures: GITHUB_SERVER_URL and GITHUB_REPOSITORY are not set"
        )
    files = {f"{start}/{name}": content for name, content in _files(pictures).items()}
    with tempfile.TemporaryDirectory(prefix="runnerkit-pictures-") as room:
        sha = _pushed(Path(room), f"{server}/{place.repo}", branch, files, signed_in(environ))
    if not sha:
        hint = "the token needs contents: write, which forks do not get"
        return Placed(problem=f"the pictures could not be pushed to the branch {branch}: {hint}")
    raw = f"{server}/{place.repo}/raw/{sha}"
    return Placed({each.name: f"{raw}/{quote(f'{start}/{each.name}')}" for each in pictures}, shown=True)


def _files(pictures: Sequence[Picture]) -> dict[str, bytes]:
    return {name: content for each in pictures for name, content in each.files().items()}


def _pushed(room: Path, url: str, branch: str, files: Mapping[str, bytes], environ: Mapping[str, str]) -> str:
    """The commit that holds the files at the tip of the branch; empty when it could not be pushed."""
    if git(room, "init", "--quiet", "--bare") is None:
        return ""
    index = {"GIT_INDEX_FILE": str(room / "runnerkit-index")}
    blobs = {path: _blob(room, content) for path, content in files.items()}
    for _ in range(TRIES):
        fetched = git(
            room, "fetch", "--quiet", "--depth", "1", "--filter=blob:none", url, f"refs/heads/{branch}", environ=environ
        )
        parent = (git(room, "rev-parse", "FETCH_HEAD") or "").strip() if fetched is not None else ""
        git(room, "read-tree", *([f"{parent}^{{tree}}"] if parent else ["--empty"]), environ=index)
        for path, blob in blobs.items():
            git(room, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", environ=index)
        tree = (git(room, "write-tree", "--missing-ok", environ=index) or "").strip()
        above = ("-p", parent) if parent else ()
        made = (git(room, *AUTHOR, "commit-tree", tree, *above, "-m", "Pictures of a report") or "").strip()
        if made and git(room, "push", "--quiet", url, f"{made}:refs/heads/{branch}", environ=environ) is not None:
            return made
    return ""


def _blob(room: Path, content: bytes) -> str:
    draft = room / "runnerkit-draft"
    draft.write_bytes(content)
    return (git(room, "hash-object", "-w", "--no-filters", os.fspath(draft)) or "").strip()
