"""Where a runner lives: its root, the folders of a job, and the variables GitHub's runner gives to steps."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .containing import owner
from .registration import NotConfigured, settings
from .workflow import Setting

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ARCHITECTURES = {"x86_64": "X64", "amd64": "X64", "aarch64": "ARM64", "arm64": "ARM64"}
GIVEN = (
    *("actor", "api_url", "base_ref", "event_name", "graphql_url", "head_ref", "job", "ref", "ref_name"),
    *("ref_protected", "ref_type", "repository", "repository_id", "repository_owner", "retention_days", "run_attempt"),
    *("run_id", "run_number", "server_url", "sha", "triggering_actor", "workflow", "workflow_ref", "workflow_sha"),
)
# Versions of the substitutes that composite actions of a repository may name; a job's own steps add theirs.
VERSIONS = ("main", "master", *(f"v{number}" for number in range(1, 11)))

POSTS = {"actions/checkout": "checkout-post", "docker/login-action": "docker-logout"}
HOOKS = ("started", "completed")
# Variables of the worker that are not for steps.
OURS = {"PATH", "RUNNERKIT_STANDIN_PACE", "RUNNERKIT_STANDIN_ENVIRONMENT", "RUNNERKIT_STANDIN_EXIT"}


@dataclass(frozen=True)
class Folders:
    """The folders of a job."""

    workspace: Path
    temp: Path
    tools: Path
    actions: Path
    state: Path


class Root:
    """A runner's root."""

    def __init__(self, path: Path) -> None:
        self.path = path
        written = json.loads((path / "bin" / "standin.json").read_text())
        self.version: str = written["version"]
        self.act: str = written["act"]
        self.shims = path / "bin" / "shims"
        self.substitutes = path / "externals" / "actions"
        self.substitute = path / "bin" / "Runner.Substitute"
        self.pace = float(os.environ.get("RUNNERKIT_STANDIN_PACE", "1"))
        self.tracking = f"github_{uuid.uuid4()}"
        self.engine: str = written.get("engine", "")
        self.settings: dict[str, Any] = {}
        with suppress(NotConfigured):
            self.settings = settings(path)

    def folders(self, repository: str, work_folder: str) -> Folders:
        """Make the folders of a job; nothing of the one before is in its temporary folder."""
        work, name = self.path / work_folder, repository.rpartition("/")[2]
        temp = work / "_temp"
        shutil.rmtree(temp, ignore_errors=True)
        made = Folders(work / name / name, temp, work / "_tool", work / "_actions", temp / "_standin")
        for each in (made.workspace, temp, made.tools, made.actions):
            each.mkdir(parents=True, exist_ok=True)
        made.state.mkdir(mode=0o700)
        return made

    def inside(self, folders: Folders) -> dict[str, Any]:
        """Tell a step what it needs to know of the job's container; the folders' names in it are GitHub's."""
        home, event = folders.temp / "_github_home", folders.temp / "_github_workflow"
        for each in (home, event):
            each.mkdir(exist_ok=True)
        work = folders.temp.parent
        pairs = [(home, "/github/home"), (event, "/github/workflow"), (folders.tools, "/__t"), (work, "/__w")]
        return {
            "engine": self.engine,
            "label": self.tracking,
            "owner": owner(os.getpid()),
            "paths": [(str(outside), inside) for outside, inside in pairs],
            "temp": str(folders.temp),
            "workspace": f"/__w/{folders.workspace.relative_to(work)}",
            "outside": {name: value for name, value in os.environ.items() if name not in OURS},
        }

    def setting(self, values: dict[str, str], fetched: dict[str, str] | None = None) -> Setting:
        """Tell what there is to run a job with."""
        found = sorted(self.substitutes.glob("*/*/action.yml")) + sorted(self.substitutes.glob("*/*/*/action.yml"))
        names = {str(each.parent.relative_to(self.substitutes)): str(each.parent) for each in found}
        hooks = {which: os.environ.get(f"ACTIONS_RUNNER_HOOK_JOB_{which.upper()}", "") for which in HOOKS}
        return Setting(
            # By its name, found on the path: act takes a path with a space in it for two words.
            entry="Runner.Step",
            substitutes=names,
            posts={name: f"exec {shlex.quote(str(self.substitute))} {program}" for name, program in POSTS.items()},
            literals=values,
            hooks=hooks,
            engine=self.engine,
            fetched=fetched or {},
        )

    def local_repositories(self, payload: dict[str, Any], more: Iterable[str] = ()) -> dict[str, str]:
        """Map every version of the substitutes that may be named, also by ``more`` actions, to its folder."""
        folders = {f"{each.parent.name}/{each.name}": each for each in self.substitutes.glob("*/*")}
        used = [*(str(step.get("uses", "")) for step in payload.get("steps", [])), *more]
        named = [each for each in used if "@" in each]
        mapped = {f"{name}@{version}": str(path) for name, path in folders.items() for version in VERSIONS}
        for uses in named:
            path, _, version = uses.partition("@")
            name = "/".join(path.split("/")[:2])
            if name in folders:
                mapped[f"{name}@{version}"] = str(folders[name])
        return mapped


def literals(root: Root, folders: Folders, payload: dict[str, Any] | None = None) -> dict[str, str]:
    """Tell what expressions stand for that only the runner knows, or that act would get wrong."""
    of_job, github = (payload or {}).get("job") or {}, (payload or {}).get("github") or {}
    own = {
        "workflow_ref": github.get("workflow_ref", ""),
        "workflow_sha": github.get("workflow_sha", ""),
        "workflow_repository": github.get("repository", ""),
        "workflow_file_path": str(github.get("workflow_ref", "")).partition("@")[0].split("/", 2)[-1],
    }
    return {
        **{f"job.{name}": str(of_job.get(name, value)) for name, value in own.items()},
        "github.workspace": str(folders.workspace),
        "github.event_path": str(folders.temp / "_github_workflow" / "event.json"),
        "runner.temp": str(folders.temp),
        "runner.tool_cache": str(folders.tools),
        "runner.workspace": str(folders.workspace.parent),
        "runner.name": str(root.settings.get("AgentName", "")),
        "runner.os": "Linux",
        "runner.arch": architecture(),
        "runner.environment": os.environ.get("RUNNERKIT_STANDIN_ENVIRONMENT", "self-hosted"),
        "runner.debug": "",
    }


def architecture() -> str:
    """Name the processor as GitHub does."""
    return ARCHITECTURES.get(platform.machine(), platform.machine().upper())


def step_environment(root: Root, folders: Folders, message: dict[str, Any]) -> dict[str, str]:
    """Give the variables that GitHub's runner sets for every step, with the values it would give them."""
    github = {**_bare(message), **(message.get("payload", {}).get("github") or {})}
    urls = message.get("urls") or {}
    values = {f"GITHUB_{name.upper()}": _text(github[name]) for name in GIVEN if github.get(name) is not None}
    values |= {"GITHUB_SERVER_URL": urls.get("server", ""), "GITHUB_API_URL": urls.get("api", "")}
    values["GITHUB_GRAPHQL_URL"] = f"{urls.get('api', '')}/graphql"
    known = literals(root, folders)
    values |= {"GITHUB_WORKSPACE": known["github.workspace"], "GITHUB_EVENT_PATH": known["github.event_path"]}
    names = ("temp", "tool_cache", "workspace", "name", "os", "arch", "environment")
    values |= {f"RUNNER_{name.upper()}": known[f"runner.{name}"] for name in names}
    values |= {"CI": "true", "GITHUB_ACTIONS": "true", "RUNNER_TRACKING_ID": root.tracking}
    values |= {name: os.environ.get(name, "") for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "DOCKER_HOST")}
    identity = message.get("identity") or {}
    values |= {f"ACTIONS_ID_TOKEN_REQUEST_{name.upper()}": identity[name] for name in ("url", "token") if identity}
    values |= {"RUNNERKIT_STANDIN_SUBSTITUTE": str(root.substitute)}
    return {name: value for name, value in values.items() if value or name.endswith("_REF")}


def _bare(message: dict[str, Any]) -> dict[str, Any]:
    # What a job that was queued without a workflow can know of itself.
    repository = str(message.get("repository") or "")
    return {
        "repository": repository,
        "repository_owner": repository.partition("/")[0],
        "run_id": message.get("run_id"),
        "run_attempt": message.get("run_attempt"),
        "run_number": message.get("run_number"),
        "ref": "refs/heads/main",
        "sha": message.get("head_sha"),
        "event_name": message.get("event"),
        "job": message.get("payload", {}).get("job", {}).get("key"),
        "workflow": message.get("payload", {}).get("workflow", {}).get("name"),
        **dict.fromkeys(("base_ref", "head_ref"), ""),
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
