"""Making commits, merges and refs."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from runnerkit.sandbox.github.git.reading import contains
from runnerkit.sandbox.github.git.store import GitFailed, Store

Files = Mapping[str, "str | bytes | None"]


@dataclass(frozen=True, slots=True)
class Author:
    """Who commits, and when."""

    login: str
    at: datetime

    @property
    def email(self) -> str:
        """The address that GitHub would put into a commit of theirs."""
        return f"{self.login}@users.noreply.example"

    @property
    def signature(self) -> str:
        """Name, address and time as fast-import reads them."""
        return f"{self.login} <{self.email}> {int(self.at.timestamp())} +0000"

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which git learns of them."""
        moment = f"{int(self.at.timestamp())} +0000"
        return {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", self.login), ("EMAIL", self.email), ("DATE", moment))
        }


def commit_files(
    store: Store, full_name: str, ref: str, parent: str | None, files: Files, message: str, author: Author
) -> str:
    """Commit changed files on top of ``parent`` and move ``ref`` there; a content of None deletes the file.

    Raises:
        ValueError: a path leaves the repository.
        GitFailed: somebody else moved the ref meanwhile.
    """
    modes = _modes(store, full_name, parent, files)
    stream = [f"commit {ref}\nmark :1\ncommitter {author.signature}\n".encode(), _data(message.encode())]
    stream += [f"from {parent}\n".encode()] if parent else []
    for path, content in files.items():
        stream.append(_operation(_checked(path), content, modes.get(path, "100644")))
    stream.append(b"get-mark :1\ndone\n")
    made = store.run(full_name, "fast-import", "--quiet", "--done", data=b"".join(stream))
    return made.decode().split()[0]


def _modes(store: Store, full_name: str, parent: str | None, files: Files) -> dict[str, str]:
    # A file that is there keeps its mode, so that a changed script stays executable.
    if parent is None:
        return {}
    shown = store.run(full_name, "--literal-pathspecs", "ls-tree", "-z", "--full-tree", parent, "--", *files)
    pairs = (line.split("\t", 1) for line in shown.decode(errors="replace").split("\0") if line)
    return {path: about.split()[0] for about, path in pairs if about.startswith("100")}


def _operation(path: str, content: str | bytes | None, mode: str) -> bytes:
    quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if content is None:
        return f"D {quoted}\n".encode()
    return f"M {mode} inline {quoted}\n".encode() + _data(content.encode() if isinstance(content, str) else content)


def _data(content: bytes) -> bytes:
    return f"data {len(content)}\n".encode() + content + b"\n"


def _checked(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or {"..", ".git"} & set(parts):
        raise ValueError(f"{path!r} is no path of a repository; write it relative to its root, such as src/train.py")
    return path


def commit_folder(store: Store, full_name: str, ref: str, folder: Path, message: str, author: Author) -> str:
    """Make a first commit of all that a folder's ``.gitignore`` lets through.

    Raises:
        GitFailed: the ref is there already.
    """
    with tempfile.TemporaryDirectory(prefix="runnerkit-index-") as scratch:
        environ = author.environ | {"GIT_INDEX_FILE": os.path.join(scratch, "index")}  # noqa: PTH118 - a plain string
        options = ("-c", "core.autocrlf=false", "-c", f"core.excludesFile={os.devnull}", "-c", "core.bare=false")
        store.run(full_name, *options, "--work-tree", str(folder.resolve()), "add", "--all", "--", ".", environ=environ)
        tree = store.run(full_name, "write-tree", environ=environ).decode().strip()
    made = store.run(full_name, "commit-tree", "-m", message, tree, environ=author.environ).decode().strip()
    move(store, full_name, ref, made, "")
    return made


def merge(store: Store, full_name: str, base: str, head: str, message: str, author: Author) -> str | None:
    """Make the commit that merges ``head`` into ``base``, without moving any ref; None when they conflict."""
    try:
        tree = f"{head}^{{tree}}"
        if not contains(store, full_name, head, base):
            tree = store.run(full_name, "merge-tree", "--write-tree", base, head).decode().split()[0]
    except GitFailed:
        return None
    tree = store.run(full_name, "rev-parse", tree).decode().strip()
    parents = ("-p", base, "-p", head)
    return store.run(full_name, "commit-tree", *parents, "-m", message, tree, environ=author.environ).decode().strip()


def squash(store: Store, full_name: str, base: str, merged: str, message: str, author: Author) -> str:
    """Make a commit on ``base`` that has the content of ``merged``, without moving any ref."""
    parents = ("-p", base)
    made = store.run(full_name, "commit-tree", *parents, "-m", message, f"{merged}^{{tree}}", environ=author.environ)
    return made.decode().strip()


def move(store: Store, full_name: str, ref: str, sha: str | None, before: str | None = None) -> None:
    """Point a ref to a commit, or delete it; ``before`` is where it must be ("" for nowhere), None for wherever.

    Raises:
        GitFailed: it is elsewhere, or the name is no good.
    """
    guard = [] if before is None else [before]
    store.run(full_name, "update-ref", *(["-d", ref, *guard] if sha is None else [ref, sha, *guard]))


def tag(store: Store, full_name: str, name: str, sha: str, message: str, author: Author) -> None:
    """Make a tag at a commit, an annotated one where there is a message.

    Raises:
        GitFailed: it is there already, or the name is no good.
    """
    annotated = ("--annotate", "--message", message) if message else ()
    store.run(full_name, "tag", *annotated, "--", name, sha, environ=author.environ)


def borrow(store: Store, full_name: str, other: str, sha: str, ref: str) -> None:
    """Bring a commit of a fork in, under ``ref``."""
    source = str(store.folder(other))
    store.run(full_name, "fetch", "--quiet", "--no-tags", source, f"+{sha}:{ref}")
