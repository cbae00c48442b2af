"""Takes a bundle into a checkout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError, LockStale
from runnerkit.job.checks import git
from runnerkit.job.locks.permitted import on_disk, undeclared

if TYPE_CHECKING:
    from pathlib import Path

    from runnerkit.job.locks.bundle import Bundle


def taken(bundle: Bundle, top: Path, *, dry_run: bool = False) -> list[str]:
    """Write the files of a bundle that git holds into a checkout; returns those that changed.

    Args:
        bundle: Checked already.
        top: The checkout's root.
        dry_run: Change nothing.

    Raises:
        LockStale: The checkout is at a commit that the lock does not fit.
        ConfigError: A link leads one of the files out of the checkout, or no ``dvc.yaml`` there declares it.
    """
    _check_commit(bundle, top)
    strangers = undeclared(bundle, on_disk(top))
    if strangers:
        raise ConfigError(
            f"this lock brings {', '.join(strangers[:5])}, which no dvc.yaml of this checkout declares as metrics",
            hint="let the run that should have left it run again",
        )
    changed = []
    for path, text in bundle.committed.items():
        target = top / path
        if not target.resolve().is_relative_to(top.resolve()) or target.is_symlink():
            raise ConfigError(f"{path} is a link in this checkout; the lock is not written", hint="remove the link")
        old = target.read_bytes() if target.is_file() else None
        if old == text.encode():
            continue
        changed.append(path)
        if not dry_run:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text.encode())
    return changed


def _check_commit(bundle: Bundle, top: Path) -> None:
    here = (git(top, "rev-parse", "HEAD") or "").strip()
    if here in {bundle.sha, bundle.head}:
        return
    said = git(top, "diff", "--name-only", "--no-renames", "-z", bundle.head, "HEAD", "--")
    if said is None:
        raise LockStale(
            f"the lock belongs to commit {bundle.head[:12]}, which this checkout of {here[:12] or 'nothing'} has not",
            hint=f"git fetch origin {bundle.head}, or check that commit out",
        )
    touched = bundle.concerns([name for name in said.split("\0") if name])
    # The lock itself may differ: bringing another one is the purpose.
    touched = [path for path in touched if path not in bundle.committed]
    if touched:
        raise LockStale(
            f"the lock belongs to commit {bundle.head[:12]}; since then {', '.join(touched[:5])} changed here",
            hint=f"git checkout {bundle.head}, or run the pipeline here",
        )
