"""A plausible afternoon of a controller over a FakeWorld, for the status page's tests and pictures."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

from runnerkit.errors import ForgeUnavailable
from runnerkit.model import Market
from runnerkit.overview import About, Allowance, Board
from runnerkit.testing import FakeWorld, Habits
from runnerkit.wishes import Policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.model import Instance, Job

VISION, SPEECH, RANKER = "acme/vision", "acme/speech", "acme/search-ranker"
T4, L4, CPU = "gpu=t4", "gpu=l4", "cpu=4+8/gpu=0"
MINUTE = 60
# How long all of it takes, so that it ends now.
AFTERNOON = 353 / 60


class Story:
    """A controller, its world and its board.

    Args:
        hours: How long before now it begins.
        policy: As the controller has it.
    """

    def __init__(self, hours: float = 0, policy: Policy | None = None) -> None:
        bounds = policy or Policy(online_within=300, idle=300, max_life=6 * 3600, max_machines=9)
        self.world = FakeWorld(habits=Habits(boot=70, job=900), policy=bounds, repos=(VISION, SPEECH, RANKER))
        self.world.clock._now = datetime.now(tz=UTC) - timedelta(hours=hours)
        self.fleet = self.world.fleet()
        reset = datetime.now(tz=UTC) + timedelta(minutes=34)
        about = About(
            owner="acme-ml",
            served=("acme/*",),
            regions=("eu-west-1",),
            version="0.1.0",
            allowance=lambda: Allowance(4_871, 5_000, reset),
        )
        self.board = Board(self.world.journal, self.world.clock, bounds, about)
        self._runs = count(17_203_441_902, 7)

    def queue(
        self, repo: str, title: str, wish: str | Sequence[str], *, minutes: float = 15, fork: bool = False
    ) -> Job:
        """A job is queued; once taken it runs for so long."""
        run = next(self._runs)
        labels = [f"runnerkit={run}/{wish}"] if isinstance(wish, str) else list(wish)
        job = self.world.forge.queue(repo, labels, run_id=run, fork=fork)
        url = f"https://github.com/{repo}/actions/runs/{run}/job/{job.id}"
        named = replace(job, name=title, url=url)
        self.world.forge._change_job(named)
        self.world.habits.job = minutes * MINUTE
        return named

    def go(self, minutes: float, *, step: float = 30) -> None:
        """Pass after pass for so long."""
        for _ in range(round(minutes * MINUTE / step)):
            self.world.clock.advance(step)
            self.look()

    def arrive(self) -> None:
        """Let the world's clock be that of this computer, by which browser and server go, and look once more."""
        self.world.clock._now = datetime.now(tz=UTC)
        self.look()

    def look(self) -> None:
        """One pass now."""
        self.board.saw(self.fleet.once(tidy=False))

    def trouble(self) -> None:
        """A pass fails."""
        self.board.saw(ForgeUnavailable("GitHub answered 503 for a minute", hint="see githubstatus.com"))

    def busy(self) -> Instance:
        """The oldest live machine."""
        return min(self.world.cloud.live(), key=lambda instance: instance.launched_at)


def afternoon() -> Story:
    """Almost six hours: an interruption that is repeated, a machine that never boots, and a drought at the end."""
    story = Story(AFTERNOON)
    cloud, habits = story.world.cloud, story.world.habits
    for lap in range(5):
        story.queue(VISION, "train (resnet50, fold 1)", T4, minutes=64 + 9 * lap)
        story.go(4)
        story.queue(SPEECH, "finetune whisper-small", L4, minutes=78 - 6 * lap)
        story.go(3)
        story.queue(RANKER, "evaluate", CPU, minutes=9)
        story.go(2)
        story.queue(RANKER, "build features", CPU, minutes=17)
        story.go(12)
        if lap == 1:
            story.world.interrupt(story.busy().id)
        if lap == 2:
            habits.never_boots = 1.0
            story.queue(VISION, "export onnx", T4, minutes=6)
            story.go(1)
            habits.never_boots = 0.0
        if lap == 3:
            for offering in cloud._offerings:
                if offering.type.name == "g4dn.xlarge" and offering.market is Market.SPOT:
                    cloud.refuse(offering)
        story.go(42)
    story.queue(VISION, "train (resnet50, fold 2)", T4, minutes=45)
    story.queue(VISION, "train (resnet50, fold 3)", T4, minutes=45)
    story.go(15)
    story.queue(SPEECH, "finetune whisper-small", L4, minutes=55)
    story.queue(RANKER, "build features", CPU, minutes=30)
    story.go(13)
    for offering in cloud._offerings:
        if offering.type.name == "g6.xlarge":
            cloud.refuse(offering)
    story.queue(SPEECH, "finetune whisper-large", L4, minutes=90)
    story.queue(VISION, "benchmark", "gpu=t5")
    story.queue(RANKER, "evaluate (from a fork)", CPU, fork=True)
    story.queue(RANKER, "sign the app", ["self-hosted", "macos"])
    story.go(6)
    story.fleet.launch(story.fleet.request(f"runnerkit=nightly/{T4}", VISION, run_id=17_203_442_070))
    story.go(2.5)
    story.queue(VISION, "train (vit-b16)", T4, minutes=60)
    story.go(1.5)
    story.arrive()
    return story
