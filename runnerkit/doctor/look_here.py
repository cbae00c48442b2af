"""Looking at this computer and at data: programs, configuration, the DVC remote, the journal. It changes nothing."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from runnerkit.beginning import reading, remotes
from runnerkit.config import FOUND, SECRETS
from runnerkit.doctor.facts_here import Configuration, JournalSeen, Remote, Tool
from runnerkit.doctor.workflows import FOLDER as FLOWS
from runnerkit.doctor.workflows import read
from runnerkit.ec2.answers import told
from runnerkit.ec2.parallel import each
from runnerkit.errors import CloudError, CloudUnavailable, ConfigError
from runnerkit.settings import S3_PLACE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runnerkit.config import Config, Origins
    from runnerkit.doctor.facts_github import WorkflowSeen
    from runnerkit.ec2.clients import Clients

TOOLS = {
    "git": ("git", "--version", "reports, pipelines and what `init` finds out"),
    "dvc": ("dvc", "--version", "pipelines"),
    "act": ("act", "--version", "jobs in the sandbox"),
    "session-manager-plugin": ("session-manager-plugin", "--version", "`runnerkit connect`"),
}
SECONDS = 20
DENIED = ("AccessDenied", "403", "Forbidden")
ABSENT = ("NoSuchBucket", "404", "NotFound")
# An object that nobody has, to be replaced only if it has a content that none has: S3 looks at the permission first.
NEVER, NO_ETAG = "runnerkit-doctor-never-written", '"00000000000000000000000000000000"'
REFUSED_WRITES = ("NoSuchKey", "PreconditionFailed", "404", "412", "ConditionalRequestConflict")


def tools() -> tuple[Tool, ...]:
    """The programs that some commands use, with their versions."""
    return tuple(each(_tool, TOOLS))


def workflows(folder: Path, served: Sequence[str], known: Sequence[WorkflowSeen]) -> tuple[WorkflowSeen, ...]:
    """The workflows of this checkout that GitHub does not have yet, where it is one of a repository that is served."""
    try:
        checkout = reading.checkout(folder)
        mine = remotes.chosen(checkout.remotes)[0].repo.lower()
    except ConfigError:
        return ()
    repo = next((each for each in served if each.lower() == mine), "")
    there = {each.path for each in known if each.repo == repo}
    files = {f"{FLOWS}/{name}": text for name, text in checkout.workflows.items()} if repo else {}
    return tuple(read(repo, f"{path} (not pushed)", text) for path, text in files.items() if path not in there)


def _tool(name: str) -> Tool:
    program, flag, use = TOOLS[name]
    path = shutil.which(program)
    if path is None:
        return Tool(name, "", use)
    try:
        done = subprocess.run([path, flag], capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603 - found by name
    except (OSError, subprocess.TimeoutExpired):
        return Tool(name, "of a version that it does not tell", use)
    words = (done.stdout.strip() or done.stderr.strip()).splitlines()[:1]
    return Tool(name, words[0].removeprefix(f"{name} version ") if words else "of a version that it does not tell", use)


def configuration(origins: Origins, problem: str, hint: str, folder: Path) -> Configuration:
    """What the files say of themselves, and secrets in those that git has."""
    files = sorted({origin.partition(" ")[0] for origin in origins.values()} & set(FOUND)) or _named(origins)
    exposed = [
        (".".join(key), origin.partition(" ")[0])
        for key, origin in origins.items()
        if key[-1] in SECRETS and _in_git(folder, origin.partition(" ")[0])
    ]
    return Configuration(", ".join(files), problem, hint, tuple(exposed))


def _named(origins: Origins) -> list[str]:
    return sorted({origin for origin in origins.values() if origin.endswith(".toml")})


def _in_git(folder: Path, name: str) -> bool:
    """Whether git has a file or would add it with the next ``git add``."""
    path, git = folder / name, shutil.which("git")
    if git is None or not path.is_file():
        return False
    # 0: ignored, 1: not ignored, 128: no repository here.
    asked = [git, "-C", str(path.parent), "check-ignore", "-q", path.name]
    ignored = subprocess.run(asked, capture_output=True, timeout=SECONDS, check=False)  # noqa: S603 - git, found by name
    return ignored.returncode == 1


def remote_here(folder: Path) -> tuple[str, bool]:
    """Address of the folder's default DVC remote (empty: none), and whether it has an endpoint of its own."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read([folder / ".dvc/config", folder / ".dvc/config.local"], encoding="utf-8")
    section = f"'remote \"{parser.get('core', 'remote', fallback='')}\"'"
    return parser.get(section, "url", fallback=""), parser.has_option(section, "endpointurl")


def remote(folder: Path, clients: Clients) -> Remote:
    """The DVC remote, and where its bucket is."""
    url, elsewhere = remote_here(folder)
    place = S3_PLACE.fullmatch(url)
    if place is None or elsewhere:
        return Remote(url, why="it has an endpoint of its own" if elsewhere else "")
    client: Any = clients.of("s3", clients.regions[0])
    try:
        with told(f"looking at the bucket {place[1]}"):
            answer = client.head_bucket(Bucket=place[1])
    except CloudError as error:
        if error.aws_code in ABSENT:
            return Remote(url, exists=False, why=f"there is no bucket {place[1]}")
        if error.aws_code in DENIED:
            return Remote(url, why="these credentials may not look at the bucket")
        raise
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    return Remote(url, answer.get("BucketRegion") or headers.get("x-amz-bucket-region"))


def journal(config: Config, file: Path, clients: Clients) -> JournalSeen:
    """Whether the journal can be read and written; ``file`` is where it is without a bucket."""
    place = config.journal.bucket
    return _objects(place, clients) if place is not None else _file(file)


def _file(path: Path) -> JournalSeen:
    if path.exists():
        readable, writable = os.access(path, os.R_OK), os.access(path, os.W_OK)
    else:
        above = next(folder for folder in path.parents if folder.exists())
        readable, writable = above.is_dir(), above.is_dir() and os.access(above, os.W_OK | os.X_OK)
    denied = "no permission"
    return JournalSeen(str(path), "" if readable else denied, "" if writable else denied)


def _objects(place: tuple[str, str], clients: Clients) -> JournalSeen:
    bucket, prefix = place
    where, client = f"s3://{bucket}/{prefix}", clients.of("s3", clients.regions[0], once=True)
    try:
        with told(f"listing {where}"):
            client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
    except CloudUnavailable:
        raise
    except CloudError as error:
        return JournalSeen(where, unreadable=error.message)
    try:
        with told(f"asking whether {where} may be written"):
            client.put_object(Bucket=bucket, Key=f"{prefix}{NEVER}", Body=b"", IfMatch=NO_ETAG)
    except CloudError as error:
        return JournalSeen(where, unwritable="" if error.aws_code in REFUSED_WRITES else error.message)
    return JournalSeen(where)
