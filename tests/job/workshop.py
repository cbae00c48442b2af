"""Small DVC projects in git, with counters outside of them that prove what was executed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runnerkit.job.running import Options, Pipeline

BIN = Path(sys.executable).parent
PATIENCE = 60.0

PROJECT = """stages:
  prepare:
    cmd: echo x >> $COUNTERS/prepare && cat raw.txt > data.txt
    deps: [raw.txt]
    outs: [data.txt]
  train:
    cmd: echo x >> $COUNTERS/train && { train }
    deps: [data.txt]
    params: [train]
    outs: [model.txt]
  evaluate:
    cmd: echo x >> $COUNTERS/evaluate && cat model.txt > score.txt
    deps: [model.txt]
    outs: [score.txt]
"""
TRAIN = "cat data.txt params.yaml > model.txt"


@dataclass
class Workshop:
    """A folder with an origin repository, a remote, counters, and checkouts."""

    folder: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def remote(self) -> Path:
        """Where the pipelines push to."""
        return self.folder / "remote"

    @property
    def counters(self) -> Path:
        """One file for each stage, one line for each time its command ran."""
        return self.folder / "counters"

    @property
    def root(self) -> Path:
        """What RUNNERKIT_ROOT names: where the agent would write."""
        return self.folder / "root"

    @property
    def environ(self) -> dict[str, str]:
        """What a job sees: nothing of the developer's own git and DVC settings."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            # GitHub says it to every job; without it DVC looks for a newer one, in a process more for each checkout.
            "CI": "true",
            "COUNTERS": str(self.counters),
            "RUNNERKIT_ROOT": str(self.root),
            "DVC_SITE_CACHE_DIR": str(self.folder / "site"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **self.extra,
        }

    def origin(self, *, project: str = PROJECT, train: str = TRAIN, files: dict[str, str] | None = None) -> Path:
        """Make the first checkout, committed on main."""
        for each in (self.remote, self.counters, self.root / "run/runnerkit"):
            each.mkdir(parents=True, exist_ok=True)
        here = self.folder / "origin"
        content = {
            ".dvc/config": f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {self.remote}\n",
            ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
            ".gitignore": "/data.txt\n/model.txt\n/score.txt\n",
            "dvc.yaml": project.replace("{ train }", train),
            "params.yaml": "train:\n  depth: 3\n",
            "raw.txt": "one\ntwo\n",
            **(files or {}),
        }
        for name, text in content.items():
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            (here / name).write_text(text, encoding="utf-8")
        git(here, "init", "-q", "-b", "main")
        commit(here)
        return here

    def clone(self, name: str = "clone") -> Path:
        """A fresh checkout, as another machine would have it."""
        git(self.folder, "clone", "-q", str(self.folder / "origin"), name)
        return self.folder / name

    def executed(self, stage: str) -> int:
        """How often a stage's command has really run, on all checkouts together."""
        file = self.counters / stage
        return len(file.read_text(encoding="utf-8").splitlines()) if file.exists() else 0

    def pipeline(self, here: Path, said: list[str] | None = None, **options: Any) -> Pipeline:  # noqa: ANN401 - options
        """A pipeline of a checkout, in this workshop's environment."""
        lines = [] if said is None else said
        more = {name: options.pop(name) for name in ("stores", "listeners") if name in options}
        return Pipeline(Options(**options), say=lines.append, start=here, environ=self.environ, **more)

    def announce(self, seconds: float) -> None:
        """What the agent writes when AWS announces to take the machine."""
        now = time.time()
        told = {"action": "terminate", "at": now + seconds, "time": "", "seen_at": now}
        (self.root / "run/runnerkit/notice.json").write_text(json.dumps(told), encoding="utf-8")

    def command(self, here: Path, *words: str, **environ: str) -> subprocess.Popen[str]:
        """Start `runnerkit` as a process."""
        return subprocess.Popen(
            [sys.executable, "-m", "runnerkit", *words],
            cwd=here,
            env={**self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def git(here: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=True)  # noqa: S607 - the git of this machine
    return done.stdout.strip()


def commit(here: Path, message: str = "change") -> str:
    git(here, "add", "-A")
    git(here, "-c", "user.name=octocat", "-c", "user.email=octocat@example.com", "commit", "-q", "-m", message)
    return git(here, "rev-parse", "HEAD")


def states(result: Any) -> dict[str, str]:  # noqa: ANN401 - a Result, or one read from JSON
    stages = result["stages"] if isinstance(result, dict) else [vars_of(each) for each in result.stages]
    return {each["name"]: str(each["state"]) for each in stages}


def vars_of(stage: Any) -> dict[str, Any]:  # noqa: ANN401 - a StageResult
    return {"name": stage.name, "state": stage.state}


def run_file(here: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((here / ".runnerkit/run.json").read_text(encoding="utf-8"))
    return said


def until(true: Any, what: str, patience: float = PATIENCE) -> None:  # noqa: ANN401 - any callable
    """Wait for something that another process does."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
