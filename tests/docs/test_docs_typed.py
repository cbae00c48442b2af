"""Every command line that a page shows behind a dollar sign is executed, in a world that has what it speaks of.

What stands in blocks of ``sh`` is a session, which has a test of its own (``test_docs_executed.py``).
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from runnerkit.cli.commands import app
from runnerkit.sandbox.together import Sandbox
from tests.docs.doc_pages import ROOT, blocks, command_lines, typed
from tests.docs.shells import BIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runnerkit.sandbox.ec2 import SandboxEc2

REPO, OTHERS = "acme/widgets", ("acme/ml", "acme/train")
FIRST, SECOND = "9184220174", "9184301222"
PATIENCE = 60
LINES = {" ".join(words): words for block in blocks("console") for words in command_lines(typed(block)) if words}
PROJECT = {
    ".dvc/config": "[core]\n    remote = s\n    analytics = false\n['remote \"s\"']\n    url = s3://acme-data/dvc\n",
    ".dvc/.gitignore": "/cache\n/tmp\n",
    "dvc.yaml": "stages:\n  train:\n    cmd: python train.py\n    deps: [train.py]\n    metrics: [metrics.json]\n",
    "train.py": "import json\njson.dump({'auc': 0.9}, open('metrics.json', 'w'))\n",
}


@dataclass(frozen=True)
class Scene:
    """Lines that begin so, and how they end in a world as ours; the reason where that is not 0.

    ``answers`` is what a person types, or what is piped in; ``and_more`` what stands for a yes on a terminal.
    """

    begins: str
    code: int = 0
    why: str = ""
    answers: str = ""
    and_more: tuple[str, ...] = ()


YES = ("--yes",)
# In the order in which they are typed. The longest beginning that fits a line is the one that counts.
STORY = (
    Scene("--"),
    Scene("completion"),
    Scene("config check"),
    Scene("init --yes --dry-run"),
    Scene("init"),
    Scene("init --way controller"),
    Scene("setup aws --repo acme/widgets --print"),
    Scene("setup aws", and_more=YES),
    Scene("setup github --variable", and_more=YES),
    Scene("setup github -r acme/train --app"),
    Scene("setup github -r acme/train --token", answers="TOKEN\n"),
    Scene("offerings"),
    Scene("doctor"),
    Scene("launch"),
    Scene("status"),
    Scene("logs"),
    Scene("connect", 2, "AWS's session-manager-plugin is not installed"),
    Scene("why"),
    Scene("resume"),
    Scene("dvc check"),
    Scene("dvc run --dry-run"),
    Scene("lock"),
    Scene("gate"),
    Scene("runs list"),
    Scene("runs"),
    Scene("promote history"),
    Scene("ami recipes"),
    Scene("ami"),
    Scene("batch status"),
    Scene("batch cancel", 2, "no such job is in a queue"),
    Scene("batch run --queue", 2, "there is no such queue"),
    Scene("batch run", 253, "there is no pipeline where the container's command runs"),
    Scene("batch remove"),
    Scene("credentials", 2, "this is no job, so GitHub gives it no identity"),
    Scene("cost"),
    Scene("terminate"),
    Scene("setup github --repo acme/widgets --remove", and_more=YES),
    Scene("setup github -r acme/train --remove", and_more=YES),
    Scene("setup aws --remove", and_more=YES),
)
# Executed by other tests, which need more of a world than there is here: the file, and what stands in it.
ELSEWHERE = {
    "ami bake cpu-ubuntu-24.04": ("machine/test_bake.py", '"ami", "bake"'),
    "ami bake gpu-ubuntu-24.04": ("machine/test_bake.py", '"ami", "bake"'),
    "demo --enforce-permissions": ("commands/test_demo.py", '"--enforce-permissions"'),
    "sandbox up --enforce-permissions": ("commands/test_sandbox.py", '"--enforce-permissions"'),
    "serve --repo acme/widgets": ("stories/test_crowd.py", '"serve"'),
    "setup github -r acme/train --app --hook-url https://runners.acme.example/hooks": (
        "setup_github/test_setup_github_app.py",
        '"--hook-url", HOOK',
    ),
    "simulate --scenario noon.toml --json": ("docs/test_docs_simulator.py", "command_lines"),
    "simulate interruptions --days 0.5 --seed 7": ("docs/test_docs_simulator.py", "command_lines"),
}


def place(line: str) -> int:
    """Where in the story a line is typed."""
    fitting = [number for number, scene in enumerate(STORY) if line.startswith(scene.begins)]
    assert fitting, f"a page shows `runnerkit {line}`: give it a place in the story"
    return max(fitting, key=lambda number: len(STORY[number].begins))


class Desk:
    """Where somebody sits and types: a checkout, and a world with a job, its machine and two runs of a pipeline."""

    def __init__(self, world: Sandbox) -> None:
        self.world = world
        token = world.github.add_token("fine-grained")
        # What pages call by a name or number of their own, and what is called otherwise here.
        self.names = {"https://github.com": world.github.url, "TOKEN": token}

    def before(self, scene: Scene) -> None:
        """Let there be what the scene's lines speak of."""
        if scene.begins.endswith("--print"):
            # What `init` was told for its page is not meant for the pages that follow.
            Path("runnerkit.toml").unlink()
        elif scene.begins == "launch":
            self._queue_a_job()
        elif scene.begins == "status":
            self._await_the_end()
        elif scene.begins == "gate":
            Path("gate.toml").write_text("[metrics.auc]\nmin = 0.5\n", encoding="utf-8")
        elif scene.begins == "lock":
            for number, auc in ((FIRST, 0.8), (SECOND, 0.9)):
                Path("train.py").write_text(PROJECT["train.py"].replace("0.9", str(auc)), encoding="utf-8")
                with pytest.MonkeyPatch.context() as patch:
                    patch.setenv("GITHUB_RUN_ID", number)
                    self._invoke(["dvc", "run", "--lock", "s3"], 0)

    def _queue_a_job(self) -> None:
        job = self.world.github.queue_job(REPO, ["runnerkit=77/gpu=t4"])
        self._invoke(["once"], 0)
        self.names |= {"17291": str(job.id), "/runs/5": f"/runs/{job.run_id}", "rk-1": f"rk-{job.id}-1"}

    def _await_the_end(self) -> None:
        """The machine came, took the job and is gone; EC2 still knows it."""
        wait_for(lambda: any(each.state == "terminated" for each in self.world.ec2.instances()))
        machine = next(each for each in self.world.ec2.instances() if each.state == "terminated")
        self.names["i-0123456789abcdef0"] = machine.id

    def types(self, line: str, scene: Scene) -> None:
        """Execute a line, and hold how it ends."""
        words = [self.named(word) for word in LINES[line]]
        quiet = {"--dry-run", "--print"} & set(words)
        self._invoke([*words, *(() if quiet else scene.and_more)], scene.code, self.named(scene.answers))

    @staticmethod
    def _invoke(words: list[str], code: int, given: str = "") -> None:
        done = CliRunner().invoke(app, words, input=given)
        crash = None if isinstance(done.exception, SystemExit) else done.exception
        assert (code, None) == (done.exit_code, crash), f"runnerkit {' '.join(words)}\n{done.output}"

    def named(self, text: str) -> str:
        """A text with the names of this world in place of the page's."""
        if text == "5":  # a run's number, as a word of its own
            return self.names["/runs/5"].rpartition("/")[2]
        for shown, here in self.names.items():
            text = text.replace(shown, here)
        return text


def wait_for(true: Callable[[], bool]) -> None:
    """Look again and again, for a while."""
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture
def desk(_ec2_server: SandboxEc2, tmp_path: Path) -> Iterator[Desk]:
    _ec2_server.reset()
    with (
        pytest.MonkeyPatch.context() as patch,
        Sandbox(REPO, boot=0.3, work=0.5, machines="hollow", ec2=_ec2_server) as world,
    ):
        for name in [name for name in os.environ if name.startswith(("AWS_", "GITHUB_", "GH_", "RUNNERKIT_"))]:
            patch.delenv(name)
        # HOME stays: libraries look into it once for the whole process. None of these is there.
        own = {
            name: str(tmp_path / name) for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "GH_CONFIG_DIR")
        }
        own |= {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
        for name, value in {**own, **world.environment()}.items():
            patch.setenv(name, value)
        for repo in OTHERS:
            world.github.add_repository(repo)
        for bucket in ("acme-data", "acme-models"):
            world.aws("s3").create_bucket(Bucket=bucket)
        world.github.push(REPO, PROJECT, message="A project")
        checkout = tmp_path / "widgets"
        clone = world.github.clone_url(REPO, os.environ["GITHUB_TOKEN"])
        subprocess.run(["git", "clone", "--quiet", clone, str(checkout)], check=True)  # noqa: S607 - whichever git there is
        patch.chdir(checkout)
        yield Desk(world)
    _ec2_server.reset()


@pytest.mark.slow
def test_every_line_is_executed(desk: Desk) -> None:
    """In one story, from `init` to `setup aws --remove`; each ends as it says here, and none crashes."""
    typed_lines = sorted(set(LINES) - set(ELSEWHERE), key=lambda line: (place(line), line))
    scene = None
    for line in typed_lines:
        if STORY[place(line)] is not scene:
            scene = STORY[place(line)]
            desk.before(scene)
        desk.types(line, scene)
    assert {"instances": 0, "runners": 0, "volumes": 0, "launch_templates": 0} == desk.world.left()


def test_what_is_executed_elsewhere_is() -> None:
    """By a test that is there; and every scene and every place elsewhere has a line of a page."""
    assert set(ELSEWHERE) <= set(LINES)
    for file, text in ELSEWHERE.values():
        assert text in (ROOT / "tests" / file).read_text(encoding="utf-8"), file
    played = {place(line) for line in set(LINES) - set(ELSEWHERE)}
    assert [] == [scene.begins for number, scene in enumerate(STORY) if number not in played]


def test_a_line_without_a_place_is_noticed() -> None:
    """A page that gains a command gains a place for it."""
    with pytest.raises(AssertionError, match="give it a place"):
        place("sweep")
