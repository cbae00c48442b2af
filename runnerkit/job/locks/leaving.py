"""Leaves a bundle for others: as a folder to upload, or in a store under the run's own key."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError, NothingKnown
from runnerkit.job.locks.bundle import MANIFEST, Bundle, check_size, safe_run, unpacked
from runnerkit.job.result import folder_for_results

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runnerkit.job.stores import Kept, Store

MODES = ("artifact", "s3", "pr", "commit", "none")
FOLDER = "lock"  # below .runnerkit
LOCKS = "locks"


def checked_mode(mode: str, *, push: bool) -> str:
    """The way in which the lock comes back.

    Args:
        mode: What was asked for; empty for the default, which is ``artifact`` where anything is pushed.
        push: Whether the run pushes.

    Raises:
        ConfigError: There is no such way, or the lock would go where its data does not.
    """
    if mode not in {"", *MODES}:
        raise ConfigError(f"--lock {mode} is not known", hint=f"one of {', '.join(MODES)}")
    if mode not in {"", "none"} and not push:
        raise ConfigError(
            f"--lock {mode} needs what --no-push forbids: a lock whose data is on no remote helps nobody",
            hint="leave one of the two out",
        )
    return mode or ("artifact" if push else "none")


def in_folder(bundle: Bundle, work: Path) -> Path:
    """Write the bundle to ``.runnerkit/lock``, instead of what an earlier run left there."""
    folder = folder_for_results(work) / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    bundle.write(folder)
    return folder


def forget(work: Path) -> None:
    """Remove what an earlier run left: a run that fails must not hand it on as its own."""
    (work / FOLDER / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(work / FOLDER, ignore_errors=True)


def key_of(run: str, attempt: int, name: str = "") -> str:
    """Where a run's bundle is: a key for each attempt, and none that two runs share."""
    return f"{LOCKS}/{safe_run(run)}/{attempt}{f'-{safe_run(name)}' if name else ''}.lock"


def in_store(bundle: Bundle, store: Store, run: str, name: str = "") -> str:
    """Put the bundle into a store and give its key.

    Args:
        bundle: What is left.
        store: Where runs keep things beside the remote.
        run: The run's id, for a bundle that was not made in a job.
        name: Tells the jobs of one run apart, as in a matrix.

    Raises:
        ConfigError: As the store says.
        CloudError: As the store says.
    """
    key = key_of(bundle.run or run, bundle.attempt, name)
    store.put(key, bundle.packed(), "application/json")
    return key


def newest(store: Store, run: str, name: str = "", attempt: int | None = None) -> Bundle:
    """The bundle that a run left last: a follow-up job that is repeated alone finds that of an earlier attempt.

    Raises:
        NothingKnown: It left none.
        ConfigError: It must not be trusted.
        CloudError: As the store says.
    """
    found = {number: kept for number, kept in left(store, run, name) if attempt in {None, number}}
    last = found[max(found)] if found else None
    if last is not None:
        check_size(last.size, f"{store.address}/{last.key}")
    body = store.get(last.key) if last is not None else None
    if last is None or body is None:
        which = f"attempt {attempt} of run {run}" if attempt else f"run {run}"
        raise NothingKnown(
            f"{which} left no lock{f' named {name}' if name else ''} in {store.address}",
            hint="it is left by `runnerkit dvc run --lock s3` when all is pushed; was the run a success?",
        )
    return unpacked(body, f"{store.address}/{last.key}")


def left(store: Store, run: str, name: str = "") -> Sequence[tuple[int, Kept]]:
    """All that a run left, each with its attempt."""
    prefix = f"{LOCKS}/{safe_run(run)}/"
    end = re.escape(f"-{name}.lock" if name else ".lock")
    matches = [(re.fullmatch(f"([0-9]{{1,9}}){end}", kept.key[len(prefix) :]), kept) for kept in store.listed(prefix)]
    return [(int(match[1]), kept) for match, kept in matches if match]
