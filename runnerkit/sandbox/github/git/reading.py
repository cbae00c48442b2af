"""What a repository holds: files, trees, commits and differences."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from runnerkit.sandbox.github.git.store import GitFailed, Store

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
WORKFLOWS = ".github/workflows/"
FIELDS = ("%H", "%T", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%B")
STATES = {"A": "added", "C": "copied", "D": "removed", "M": "modified", "R": "renamed", "T": "changed"}
KINDS = {"120000": "symlink", "160000": "submodule", "040000": "dir"}
_SHA = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit; times are as git writes them (ISO 8601)."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: str
    author_email: str
    authored_at: str
    committer: str
    committer_email: str
    committed_at: str
    message: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder, symlink or submodule of a tree."""

    path: str
    kind: str
    sha: str
    size: int


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one file between two commits; ``patch`` is empty for binary files."""

    path: str
    status: str
    sha: str
    additions: int
    deletions: int
    patch: str
    previous: str | None = None


def resolve(store: Store, full_name: str, ref: str) -> str | None:
    """Find the commit of a branch, a tag, a full ref name or an (abbreviated) SHA; branches come first."""
    if not store.holds(full_name) or not ref or ref.startswith("-"):
        return None
    names = [ref] if ref.startswith("refs/") or ref == "HEAD" else [f"refs/heads/{ref}", f"refs/tags/{ref}"]
    known = store.seen[full_name].get(names[0], "") if names[0].startswith("refs/heads/") else ""
    if known:
        return known
    for each in [*names, *([ref] if _SHA.fullmatch(ref) else [])]:
        try:
            return store.run(full_name, "rev-parse", "--quiet", "--verify", each + "^{commit}").decode().strip()
        except GitFailed:
            continue
    return None


def read_file(store: Store, full_name: str, ref: str, path: str) -> bytes | None:
    """Give a file's content; None when there is no such commit or file."""
    sha = resolve(store, full_name, ref)
    if sha is None:
        return None
    try:
        return store.run(full_name, "cat-file", "blob", f"{sha}:{path.strip('/')}")
    except GitFailed:
        return None


def entries(store: Store, full_name: str, sha: str, path: str = "", *, deep: bool = False) -> list[Entry]:
    """List a folder of a commit, with ``deep`` all files below it; a file's path gives that file."""
    place = path.strip("/")
    shown = store.run(full_name, "ls-tree", "-z", "-l", "--full-tree", *(["-r"] if deep else []), f"{sha}:{place}")
    prefix = f"{place}/" if place else ""
    return [_entry(prefix, line) for line in shown.decode(errors="replace").split("\0") if line]


def find_entry(store: Store, full_name: str, sha: str, path: str) -> Entry | None:
    """Find what a commit has at a path; None when there is nothing."""
    place = path.strip("/")
    if not place:
        return Entry("", "dir", sha, 0)
    try:
        shown = store.run(full_name, "--literal-pathspecs", "ls-tree", "-z", "-l", "--full-tree", sha, "--", place)
    except GitFailed:
        return None  # the path leads out of the repository
    lines = [line for line in shown.decode(errors="replace").split("\0") if line]
    return _entry("", lines[0]) if lines else None


def _entry(prefix: str, line: str) -> Entry:
    about, name = line.split("\t", 1)
    mode, _, sha, size = about.split()
    return Entry(prefix + name, KINDS.get(mode, "file"), sha, 0 if size == "-" else int(size))


def workflow_files(store: Store, full_name: str, ref: str) -> dict[str, str]:
    """Read the workflows of a commit, by path; a repository without git or without workflows gives none."""
    sha = ref if (full_name, ref) in store.workflows else resolve(store, full_name, ref)
    if sha is None:
        return {}
    if (full_name, sha) not in store.workflows:
        store.workflows[full_name, sha] = _workflow_files(store, full_name, sha)
    return dict(store.workflows[full_name, sha])


def _workflow_files(store: Store, full_name: str, sha: str) -> dict[str, str]:
    try:
        found = entries(store, full_name, sha, WORKFLOWS)
    except GitFailed:
        return {}
    files = [each for each in found if each.kind == "file" and each.path.endswith((".yml", ".yaml"))]
    shown = store.run(full_name, "cat-file", "--batch", data="".join(f"{each.sha}\n" for each in files).encode())
    texts: dict[str, str] = {}
    for each in files:
        # Each begins with a line that says what it is, and ends with a newline of its own.
        start = shown.index(b"\n") + 1
        texts[each.path] = shown[start : start + each.size].decode(errors="replace")
        shown = shown[start + each.size + 1 :]
    return texts


def merge_base(store: Store, full_name: str, one: str, other: str) -> str | None:
    """Find the commit at which two histories part."""
    try:
        return store.run(full_name, "merge-base", one, other).decode().split()[0]
    except GitFailed:
        return None


def contains(store: Store, full_name: str, tip: str, commit: str) -> bool:
    """Tell whether ``commit`` is part of the history of ``tip``."""
    return merge_base(store, full_name, tip, commit) == commit


def changed_files(store: Store, full_name: str, base: str | None, head: str) -> tuple[str, ...]:
    """List the paths in which two commits differ; without ``base`` all files of ``head``."""
    shown = store.run(full_name, "diff", "--name-only", "--no-renames", "-z", base or EMPTY_TREE, head)
    return tuple(each for each in shown.decode(errors="replace").split("\0") if each)


def commits(store: Store, full_name: str, *which: str, path: str = "", most: int = 250) -> list[Commit]:
    """List commits, newest first; ``which`` are SHAs or ranges of them."""
    form = "%x1f".join(FIELDS) + "%x1e"
    place = ["--", path] if path else ["--"]
    shown = store.run(
        full_name, "--literal-pathspecs", "log", f"--format={form}", f"--max-count={most}", *which, *place
    )
    records = shown.decode(errors="replace").split("\x1e")
    return [_commit(record.lstrip("\n")) for record in records if record.strip()]


def _commit(record: str) -> Commit:
    sha, tree, parents, author, mail, at, committer, their_mail, committed, message = record.split("\x1f")
    text = message.strip("\n")
    return Commit(sha, tree, tuple(parents.split()), author, mail, at, committer, their_mail, committed, text)


def find_commit(store: Store, full_name: str, ref: str) -> Commit | None:
    """Find one commit; None when there is none."""
    sha = resolve(store, full_name, ref)
    return None if sha is None else commits(store, full_name, sha, most=1)[0]


def count(store: Store, full_name: str, base: str, head: str) -> tuple[int, int]:
    """Count the commits that only ``head`` and only ``base`` have: ahead and behind."""
    behind, ahead = store.run(full_name, "rev-list", "--count", "--left-right", f"{base}...{head}").split()
    return int(ahead), int(behind)


def changes(store: Store, full_name: str, base: str | None, head: str, *, patches: bool = True) -> list[Change]:
    """Compare two commits file by file; without ``patches`` these stay empty."""
    start = base or EMPTY_TREE
    shown = store.run(full_name, "diff", "-M", "--raw", "--no-abbrev", "--numstat", "-z", start, head)
    fields = shown.decode(errors="replace").split("\0")
    raw = list(_raw(iter(fields)))
    counts = _counts(fields)
    texts = _patches(store.run(full_name, "diff", "-M", start, head).decode(errors="replace")) if patches else []
    texts += [""] * len(raw)
    return [
        Change(path, STATES[letter], sha, *counts.get(path, (0, 0)), text, old)
        for (path, letter, sha, old), text in zip(raw, texts, strict=False)
    ]


def _raw(fields: Iterator[str]) -> Iterator[tuple[str, str, str, str | None]]:
    # ":old-mode new-mode old-sha new-sha letter", then the path; two paths where the letter is R or C.
    for field in fields:
        if not field.startswith(":"):
            return
        _, _, before, after, letter = field.split()
        path = next(fields)
        old = path if letter[0] in "RC" else None
        yield (next(fields) if old else path), letter[0], (before if letter[0] == "D" else after), old


def _counts(fields: list[str]) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = {}
    for place, field in enumerate(fields):
        parts = field.split("\t")
        if field.startswith(":") or len(parts) != len(("added", "deleted", "path")):
            continue
        # A renamed file's numbers stand before an empty path, and its two paths follow.
        path = parts[2] or fields[place + 2]
        counts[path] = (0, 0) if parts[0] == "-" else (int(parts[0]), int(parts[1]))
    return counts


def _patches(text: str) -> list[str]:
    pieces = re.split(r"^diff --git .*\n", text, flags=re.MULTILINE)[1:]
    return [
        piece[piece.index("@@") :].rstrip("\n") if re.search(r"^@@", piece, re.MULTILINE) else "" for piece in pieces
    ]
