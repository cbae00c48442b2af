"""From a booted machine to one on which the listener can start; whatever fails here ends the machine."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any

from .imds import Imds
from .machine import Missing, Owner, Paths, read_json, run, say, stamp, write_json, write_text
from .rules import BootFailed, Rules

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

METADATA_4 = "169.254.169.254"
METADATA_6 = "fd00:ec2::254"
# Users of people, and the ids that the job's user may take in a user namespace of its own.
ORDINARY = 1000
LAST = 4_294_967_294
DOWNLOAD_TRIES = 3


def prepare(paths: Paths, environ: Mapping[str, str]) -> None:
    """Make folders, user, runner, hooks and the wall around the metadata service; hand over the JIT configuration.

    Raises:
        BootFailed: Something is missing or does not work; the message says what.
    """
    machine = read_json(paths.machine)
    if machine is None:
        raise BootFailed(f"{paths.machine} is missing")
    rules = Rules.of(machine)
    owner = _owner(environ)
    _folders(paths, owner)
    stamp(paths.begun)
    if machine.get("parameters"):
        # A module that other machines do not have.
        from .parameters import receive

        machine = receive(paths, machine, environ)
    if not machine.get("imds_for_job"):
        close_metadata(owner)
    _facts(paths, machine, environ)
    if paths.startup.exists():
        say("running the start-up script")
        run([str(paths.startup)], timeout=rules.online_within)
    _runner(paths, machine, owner)
    _hooks(paths)
    _hand_over(paths)


def _owner(environ: Mapping[str, str]) -> Owner:
    owner = Owner.find(environ)
    if owner is None:
        run(["useradd", "--create-home", "--shell", "/bin/bash", "runner"])
        owner = Owner.find(environ)
    if owner is None:
        raise BootFailed("there is no user for the runner")
    return owner


def _folders(paths: Paths, owner: Owner) -> None:
    for folder in (paths.run, paths.state, paths.marks, paths.notice_hooks):
        folder.mkdir(parents=True, exist_ok=True)
    paths.run.chmod(0o755)
    paths.state.chmod(0o700)
    for folder in (paths.marks, paths.notice_hooks):
        # The job may put files there. It does not own the folder, so it cannot mount anything over it.
        os.chown(folder, os.geteuid(), owner.gid)
        folder.chmod(0o1775)


def close_metadata(owner: Owner) -> None:
    """Let the job's user no longer reach the metadata service, which holds user data and the instance's role.

    Raises:
        BootFailed: The machine has neither nft nor iptables, or they refuse.
    """
    try:
        run(["nft", "-f", "-"], stdin=_ruleset(owner.uid))
    except Missing:
        for uids in (f"{owner.uid}", f"{ORDINARY}-{LAST}"):
            rule = ["-m", "owner", "--uid-owner", uids, "-j", "REJECT"]
            run(["iptables", "-w", "-I", "OUTPUT", "-d", METADATA_4, *rule])
            run(["ip6tables", "-w", "-I", "OUTPUT", "-d", METADATA_6, *rule])


def _ruleset(uid: int) -> str:
    return f"""table inet runnerkit {{
  chain output {{
    type filter hook output priority 0; policy accept;
    ip daddr {METADATA_4} meta skuid {uid} reject
    ip daddr {METADATA_4} meta skuid >= {ORDINARY} reject
    ip6 daddr {METADATA_6} meta skuid {uid} reject
    ip6 daddr {METADATA_6} meta skuid >= {ORDINARY} reject
  }}
}}
"""


def _facts(paths: Paths, machine: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """What reports say about the machine. What the instance itself knows wins over what was planned."""
    found: dict[str, str] = {}
    try:
        found = Imds(environ).facts()
    except OSError as error:
        say(f"the metadata service does not answer: {error}")
    known = {name: machine.get(name) for name in ("name", "repo", "labels", "life")}
    place = " ".join(found.get(name, "") for name in ("type", "zone", "market"))
    if place in machine.get("prices", {}):
        known["price"] = machine["prices"][place]
    write_json(paths.facts, {**machine.get("facts", {}), **found, **known, "started_at": time.time()})


def _runner(paths: Paths, machine: Mapping[str, Any], owner: Owner) -> None:
    if not (paths.runner / "bin/Runner.Listener").exists():
        _install(paths.runner, str(machine.get("runner_url") or ""), str(machine.get("runner_sha256") or ""))
    root = paths.runner.stat()
    if (root.st_uid, root.st_gid) != (owner.uid, owner.gid):
        run(["chown", "-R", "--no-dereference", f"{owner.uid}:{owner.gid}", str(paths.runner)], timeout=300)
    paths.runner.chmod(0o700)


def _install(folder: Path, url: str, sha256: str) -> None:
    if not url or not sha256:
        raise BootFailed(f"{folder} holds no runner, and machine.json names none to download")
    from ctypes.util import find_library

    say(f"downloading {url}")
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder.parent / "runner.tar.gz"
    found = _download(url, archive)
    if found != sha256.lower():
        raise BootFailed(f"{url} has SHA-256 {found}, not {sha256}")
    run(["tar", "-xzf", str(archive), "-C", str(folder)], timeout=300)
    archive.unlink()
    helper = folder / "bin/installdependencies.sh"
    if helper.exists() and find_library("icuuc") is None:
        run([str(helper)], timeout=600)


def _download(url: str, to: Path) -> str:
    """Fetch a file, trying again after a pause, and return its SHA-256."""
    import hashlib
    import urllib.request

    if not url.startswith("https://"):
        raise BootFailed(f"{url} is not an https address")
    for left in reversed(range(DOWNLOAD_TRIES)):
        digest = hashlib.sha256()
        try:
            with urllib.request.urlopen(url, timeout=30) as answer, to.open("wb") as file:  # noqa: S310 - https
                while block := answer.read(1 << 20):
                    digest.update(block)
                    file.write(block)
        except OSError as error:
            if not left:
                raise BootFailed(f"{url} cannot be downloaded: {error}") from error
            time.sleep(2)
        else:
            break
    return digest.hexdigest()


def _hooks(paths: Paths) -> None:
    """GitHub's job hooks are named in the runner's ``.env``; other lines of it are kept."""
    file = paths.runner / ".env"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    kept = [line for line in lines if not line.startswith("ACTIONS_RUNNER_HOOK_JOB_")]
    kept += [
        f"ACTIONS_RUNNER_HOOK_JOB_STARTED={paths.hooks / 'job-started.sh'}",
        f"ACTIONS_RUNNER_HOOK_JOB_COMPLETED={paths.hooks / 'job-completed.sh'}",
    ]
    write_text(file, "\n".join(kept) + "\n")


def _hand_over(paths: Paths) -> None:
    """The JIT configuration becomes the listener's environment; the file it came in is gone."""
    try:
        blob = paths.jit.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise BootFailed("the JIT configuration is missing or unreadable") from error
    paths.jit.unlink()
    if not re.fullmatch(r"[A-Za-z0-9+/=_-]+", blob):
        raise BootFailed("the JIT configuration is not base64")
    write_text(paths.environment, f"ACTIONS_RUNNER_INPUT_JITCONFIG={blob}\n", 0o600)
