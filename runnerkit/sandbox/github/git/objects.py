"""Trees and commits made one by one, as the git data API makes them."""

import os
import tempfile
from collections.abc import Mapping, Sequence

from runnerkit.sandbox.github.git.store import Store
from runnerkit.sandbox.github.git.writing import Author


def make_tree(store: Store, full_name: str, base: str | None, files: Mapping[str, tuple[str, bytes]]) -> str:
    """Make a tree of another one's files and these (mode and content by path).

    Raises:
        GitFailed: a path or mode is no good.
    """
    with tempfile.TemporaryDirectory(prefix="runnerkit-index-") as scratch:
        environ = {"GIT_INDEX_FILE": os.path.join(scratch, "index")}  # noqa: PTH118 - a plain string
        store.run(full_name, "read-tree", *([base] if base else ["--empty"]), environ=environ)
        for path, (mode, content) in files.items():
            blob = store.run(full_name, "hash-object", "-w", "--stdin", data=content).decode().strip()
            store.run(full_name, "update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}", environ=environ)
        return store.run(full_name, "write-tree", environ=environ).decode().strip()


def make_commit(store: Store, full_name: str, tree: str, parents: Sequence[str], message: str, author: Author) -> str:
    """Make a commit, without moving any ref.

    Raises:
        GitFailed: there is no such tree or parent.
    """
    words = [word for parent in parents for word in ("-p", parent)]
    made = store.run(full_name, "commit-tree", *words, "-m", message, tree, environ=author.environ)
    return made.decode().strip()
