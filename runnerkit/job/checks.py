"""What must hold before a pipeline starts, said in words that help."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError, PipelineFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.job.pipeline import Project

GIT_SECONDS = 60
OLDEST = (3, 0)
# What DVC itself writes into.
DVCS_OWN = ("dvc.lock", ".dvc", ".gitignore")
# Exit codes that a shell gives to commands that signals ended, and to those it could not start.
_ENDED = {
    126: "the command could not be executed: is the file executable?",
    127: "a command was not found: is it installed on this machine, in the environment of this step?",
    134: "it aborted itself (SIGABRT)",
    137: "it was killed (SIGKILL), mostly for want of memory: ask for more in the label, for example ram=32",
    139: "it crashed (SIGSEGV)",
}


def find_dvc(environ: Mapping[str, str]) -> str:
    """Where the command ``dvc`` is.

    Raises:
        ConfigError: It is not installed.
    """
    found = shutil.which("dvc", path=environ.get("PATH"))
    if found is None:
        raise ConfigError(
            "the command dvc is not on PATH",
            hint="install it where the job runs: pip install 'dvc[s3]'",
        )
    return found


def dvc_version(dvc: str) -> str:
    """DVC's version, as its package says, for starting it only to ask would cost the better part of a second."""
    folder = Path(dvc).resolve().parent.parent
    found = sorted(folder.glob("lib/python*/site-packages/dvc-[0-9]*.dist-info"))
    return found[-1].name.removeprefix("dvc-").removesuffix(".dist-info") if found else ""


def check_version(version: str) -> None:
    """Make sure that DVC knows what we ask of it.

    Args:
        version: Empty when it could not be found out; then DVC will tell.

    Raises:
        ConfigError: It is too old.
    """
    numbers = tuple(int(part) for part in re.findall(r"[0-9]+", version)[:2])
    if numbers and numbers < OLDEST:
        raise ConfigError(
            f"dvc {version} is too old: restoring stages from the remote needs 3.0 or later",
            hint="install a newer one where the job runs: pip install --upgrade 'dvc[s3]'",
        )


def check_remote(project: Project, environ: Mapping[str, str]) -> None:
    """Make sure that there is a remote to restore from and push to.

    Raises:
        ConfigError: None is configured, or the default one has no address.
    """
    settings = project.settings(environ)
    if not settings.remote:
        raise ConfigError(
            f"no default remote is configured in {project.root / '.dvc/config'}",
            hint="add one: dvc remote add --default storage s3://BUCKET/PREFIX, or run with --no-push",
        )
    if not settings.remote_url:
        raise ConfigError(
            f"the default remote {settings.remote!r} has no url in {project.root / '.dvc/config'}",
            hint=f"set it: dvc remote modify {settings.remote} url s3://BUCKET/PREFIX",
        )


def lock_holder(lock: Path, ours: int) -> int:
    """The process that has DVC's lock of the project; 0 when none has, or it is of our own group."""
    try:
        holder = int(lock.read_text(encoding="utf-8").split()[0])
        return 0 if os.getpgid(holder) == ours else holder
    except (OSError, ValueError, IndexError):
        return 0


def git(here: Path, *words: str, environ: Mapping[str, str] | None = None) -> str | None:
    """What git says; None when it fails, or there is no git. It never asks anybody for a password."""
    try:
        done = subprocess.run(  # noqa: S603 - our own list of arguments
            ["git", "-C", str(here), *words],  # noqa: S607 - the git of this machine
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", **(environ or {})},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def fetched(here: Path, target: str, environ: Mapping[str, str]) -> bool:
    """Whether one commit could be fetched: as the checkout is set up, or else with the job's own token.

    The second road is for checkouts with ``persist-credentials: false``. Header and token go by the environment, since
    everybody on the machine can read a command line.
    """
    # One commit is enough for a shallow checkout; a whole one would be made shallow by asking for so little.
    shallow = (git(here, "rev-parse", "--is-shallow-repository") or "").strip() == "true"
    words = ("fetch", "--quiet", "--no-tags", *(("--depth", "1") if shallow else ()), "origin", target)
    if git(here, *words) is not None:
        return True
    header = signed_in(environ)
    if not header:
        return False
    return git(here, *words, environ=header) is not None


def signed_in(environ: Mapping[str, str]) -> dict[str, str]:
    """What git's environment needs for the job's own token to be sent to GitHub; empty without one."""
    token, server = environ.get("GITHUB_TOKEN"), environ.get("GITHUB_SERVER_URL")
    if not token or not server:
        return {}
    secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{server.rstrip('/')}/.extraheader",
        "GIT_CONFIG_VALUE_0": f"Authorization: basic {secret}",
    }


def check_git(project: Project) -> str:
    """The commit that is checked out; empty when the project is not in git.

    Raises:
        ConfigError: Git refuses the folder because it belongs to somebody else.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own list of arguments
            ["git", "-C", str(project.root), "rev-parse", "HEAD"],  # noqa: S607 - the git of this machine
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    if "dubious ownership" in done.stderr:
        raise ConfigError(
            f"git refuses {project.root}: it belongs to another user, as happens in container jobs",
            hint=f"git config --global --add safe.directory {project.root}",
        )
    return done.stdout.strip() if done.returncode == 0 else ""


def changed_files(project: Project) -> set[str]:
    """Tracked files below the project's root, and relative to it, that are not as in the last commit.

    Empty outside of git.
    """
    # Refreshing the index in memory only: it is not ours to lock while others may want it.
    said = git(project.root, "--no-optional-locks", "diff", "HEAD", "--name-only", "--no-renames", "--relative", "-z")
    return {name for name in (said or "").split("\0") if name}


def undeclared(project: Project, before: set[str], outputs: Sequence[Path]) -> list[str]:
    """Tracked files that changed since ``before`` although no stage declares them."""
    ours = {str(path.relative_to(project.root)) for path in outputs if path.is_relative_to(project.root)}
    new = changed_files(project) - before
    return sorted(
        name
        for name in new
        if not name.endswith(DVCS_OWN) and not any(name == out or name.startswith(f"{out}/") for out in ours)
    )


_KNOWN = [
    (
        ("unable to locate credentials", "nocredentialserror", "partial credentials"),
        "no AWS credentials: add aws-actions/configure-aws-credentials before this step, with id-token: write",
    ),
    (
        ("expiredtoken", "token has expired", "request has expired"),
        "the AWS credentials expired: ask for a longer role session, or give the machine a profile=",
    ),
    (
        ("accessdenied", "access denied", "forbidden", "invalidaccesskeyid", "signaturedoesnotmatch"),
        "AWS refused: the role needs s3:ListBucket on the bucket, s3:GetObject and s3:PutObject on the prefix",
    ),
    (("nosuchbucket", "bucket does not exist"), "the bucket does not exist: check the remote's url in .dvc/config"),
    (
        ("could not connect to the endpoint", "connection refused", "name or service not known"),
        "the remote cannot be reached: check its endpointurl, AWS_ENDPOINT_URL and the network",
    ),
    (
        ("unable to acquire lock", "is busy"),
        "another dvc command works in this folder: let it end first",
    ),
    (("no space left on device",), "the disk is full: ask for a larger one in the label, for example disk=200gb"),
    (
        ("missing data 'source'", "missing cache files", "failed to pull data from the cloud"),
        "the remote lacks data that the pipeline needs: run `dvc push` where it was added",
    ),
]


def hint_for(output: str) -> str:
    """What to do about an error of DVC's; its own closing line is the same for most of them."""
    low = output.lower()
    return next((hint for words, hint in _KNOWN if any(word in low for word in words)), "")


def pipeline_failed(stage: str, code: int | None, output: str) -> PipelineFailed:
    """The error for a pipeline that failed.

    Args:
        stage: The stage, empty when DVC failed outside of any.
        code: The stage's own exit code, when its command failed.
        output: The end of what was printed.
    """
    if stage and code:
        return PipelineFailed(
            f"stage {stage!r} failed: its command ended with exit code {code}",
            stage=stage,
            stage_exit=code,
            hint=_ENDED.get(code) or hint_for(output),
        )
    if stage:
        return PipelineFailed(f"stage {stage!r} failed: {last_error(output)}", stage=stage, hint=hint_for(output))
    return PipelineFailed(f"dvc failed: {last_error(output)}", hint=hint_for(output))


def last_error(output: str) -> str:
    """The last error in what DVC printed, or else its last line."""
    errors = [line for line in output.splitlines() if line.startswith("ERROR: ")] or output.splitlines()
    return errors[-1].removeprefix("ERROR: ").strip() if errors else "it said nothing"
