"""Starting one machine: what it is told, and what a failure at any point leaves behind - nothing."""

from __future__ import annotations

import gzip
import json
import random
import string
from base64 import b64decode
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit import boot, labels, tags
from runnerkit.actions import Launch
from runnerkit.breakers import breaker_open_until
from runnerkit.errors import (
    CloudDenied,
    CloudError,
    CloudThrottled,
    CloudUnavailable,
    ForgeDenied,
    ForgeError,
    ForgeRejected,
    ForgeUnavailable,
    ImageMissing,
    LaunchRejected,
    NameTaken,
    NoCapacity,
    NotFound,
    NotOffered,
    RateLimited,
)
from runnerkit.events import (
    InstanceLaunched,
    LaunchFailed,
    OfferingChosen,
    OfferingRefused,
    RunnerDeregistered,
    RunnerRegistered,
)
from runnerkit.launching import Launcher, Outside, Started
from runnerkit.model import Gpu, InstanceType, Market, Offering
from runnerkit.names import Birth, RunnerName, Secret, label_digest
from runnerkit.testing import FakeClock, FakeCloud, FakeForge, FakeWorld, MemoryJournal, RecordedEvents, shop
from runnerkit.testing.clock import EPOCH
from runnerkit.wishes import Policy, RunnerSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runnerkit.model import Attempt, Registration
    from runnerkit.ports import Image, Launched, LaunchOrder, RunnerPackage

REPO = "acme/widgets"
LABEL = "runnerkit=1/gpu=t4"
NAME = RunnerName.for_job(7)
ARM = InstanceType("g5g.xlarge", "arm64", 4, 8, Gpu("t4g", 1, 16))


class Cloud(FakeCloud):
    """A FakeCloud that keeps its orders, may have stock images, and fails as it is told."""

    stock: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    trouble: BaseException | None = None

    def image(self, spec: RunnerSpec, region: str, arch: str) -> Image:
        """A stock image for some architectures, and none for others."""
        if arch in self.missing:
            raise ImageMissing(f"no image for {arch}")
        return replace(super().image(spec, region, arch), baked=arch not in self.stock)

    def launch(self, order: LaunchOrder, attempts: Sequence[Attempt]) -> Launched:
        """Keep the order, then fail or launch."""
        self.order, self.attempts = order, tuple(attempts)
        if self.trouble is not None:
            raise self.trouble
        return super().launch(order, attempts)


class Forge(FakeForge):
    """A FakeForge that gives secrets of any size, counts downloads, and fails as it is told."""

    secret = ""
    packages = True
    asked = 0
    trouble: ForgeError | None = None

    def register(self, repo: str, name: str, labels: Sequence[str]) -> Registration:
        """Fail or register."""
        if self.trouble is not None:
            raise self.trouble
        registered = super().register(repo, name, labels)
        return replace(registered, jit_config=Secret(self.secret)) if self.secret else registered

    def downloads(self, repo: str) -> Sequence[RunnerPackage]:
        """Count, and perhaps offer nothing."""
        self.asked += 1
        return super().downloads(repo) if self.packages else []


@dataclass
class Ground:
    """Everything around one launcher."""

    policy: Policy = field(default_factory=Policy)
    offerings: Sequence[Offering] = ()
    owner: str = "runnerkit"

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.cloud = Cloud(self.clock, offerings=self.offerings)
        self.forge = Forge(self.clock, self.cloud.lies)
        self.events, self.journal = RecordedEvents(), MemoryJournal()
        outside = Outside(self.cloud, self.forge, self.clock, self.events, self.journal)
        self.launcher = Launcher(outside, self.policy, self.owner, boot.user_data)

    def start(self, label: str = LABEL, run_id: int | None = None, job_id: int | None = None) -> Started:
        """Start a machine for a label; the fields are those of Launch."""
        spec = labels.parse(label).spec
        return self.launcher.start(Launch(NAME, REPO, (label,), spec, run_id=run_id, job_id=job_id))

    def failures(self) -> list[tuple[str, str, str]]:
        """What the breaker counts: digest, code and runner."""
        return [(failure.digest, failure.code, failure.runner) for failure in self.journal.failures(EPOCH)]

    def left(self) -> tuple[int, int]:
        """How many machines and registrations there are."""
        return len(self.cloud.live()), len(self.forge.real_runners())


def told(ground: Ground) -> dict[str, Any]:
    """What the one machine is told about itself, read back from its user data."""
    (raw,) = ground.cloud.user_data.values()
    text = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
    files = json.loads(text.removeprefix(boot.HEADER))["write_files"]
    (machine,) = (file["content"] for file in files if file["path"] == boot.MACHINE_FILE)
    known: dict[str, Any] = json.loads(b64decode(machine))
    return known


# --- a launch that works ----------------------------------------------------------------------------------------------


def test_a_launch_registers_then_starts_one_machine() -> None:
    """The cheapest spot pool, a runner with the job's labels and its birth, tied to one another by name and id."""
    ground = Ground()
    started = ground.start(run_id=3, job_id=7)
    (machine,), (runner,) = ground.cloud.live(), ground.forge.real_runners()
    assert ("g4dn.xlarge", Market.SPOT, str(NAME), runner.id, 3, 7) == (
        machine.type,
        machine.market,
        machine.name,
        machine.runner_id,
        machine.run_id,
        machine.job_id,
    )
    assert (LABEL, Birth(EPOCH).label) == runner.labels
    assert (machine.id, runner.id, EPOCH) == (started.launched.instance_id, started.runner_id, started.at)
    kinds = [type(event) for event in ground.events.seen]
    assert [OfferingChosen, RunnerRegistered, InstanceLaunched] == kinds
    assert [] == ground.failures()


def test_leases_travel_in_the_tags_and_in_user_data() -> None:
    """Deadlines are fixed at launch: the online one, then the idle one after it, and the end of life."""
    ground = Ground(Policy(online_within=300, idle=200, max_life=7_200))
    started = ground.start()
    (machine,) = ground.cloud.live()
    assert started.online_by == machine.online_by == EPOCH + timedelta(seconds=300)
    assert machine.idle_until == EPOCH + timedelta(seconds=300 + 200)
    assert machine.expires_at == EPOCH + timedelta(seconds=7_200)
    assert (300, 200, 7_200) == tuple(told(ground)[key] for key in ("online_within", "idle", "life"))


@pytest.mark.parametrize(("label", "idle", "life"), [("/idle=10m/life=30m", 600, 1_800), ("/life=48h", 300, 7_200)])
def test_a_wish_shortens_leases_within_policy(label: str, idle: int, life: int) -> None:
    """The wish's idle and life are used, life never beyond policy."""
    ground = Ground(Policy(max_life=7_200))
    ground.start(LABEL + label)
    assert (idle, life) == (told(ground)["idle"], told(ground)["life"])
    assert EPOCH + timedelta(seconds=life) == ground.cloud.live()[0].expires_at


def test_tags_say_whose_and_what_for_in_letters_that_aws_takes() -> None:
    """Owner, digest of the place and labels, and the wish in words with foreign characters replaced."""
    ground = Ground(owner="ml-team")
    ground.cloud._owner = "ml-team"
    label = "runnerkit=1/family=g4*"
    ground.start(label)
    (found,) = ground.cloud._tags.values()
    assert ("ml-team", label_digest(REPO, [label]), "runnerkit=1/family=g4_") == tuple(
        found[key] for key in (tags.OWNER, tags.SPEC, tags.WISH)
    )
    assert "ml-team" == (ground.forge.real_runners()[0].birth or Birth(EPOCH)).owner


def test_a_baked_image_downloads_nothing() -> None:
    """GitHub is not asked for a runner application that the image has already."""
    ground = Ground()
    ground.start()
    assert (0, "") == (ground.forge.asked, told(ground)["runner_url"])


def test_a_stock_image_gets_a_download_and_more_time() -> None:
    """Where the runner must be fetched the machine is told from where, with a checksum, and has longer to boot."""
    ground = Ground(Policy(online_within=300, online_within_unbaked=900))
    ground.cloud.stock = frozenset({"x64"})
    started = ground.start()
    assert ("https://example.invalid/x64", "0" * 64, 900) == tuple(
        told(ground)[key] for key in ("runner_url", "runner_sha256", "online_within")
    )
    assert EPOCH + timedelta(seconds=900) == started.online_by == ground.cloud.live()[0].online_by


def test_a_stock_image_without_a_runner_to_download_is_rejected() -> None:
    """GitHub offers nothing for that architecture: no machine, no registration, and a hint."""
    ground = Ground()
    ground.cloud.stock, ground.forge.packages = frozenset({"x64"}), False
    with pytest.raises(LaunchRejected, match="x64") as caught:
        ground.start()
    assert caught.value.hint
    assert (0, 0) == ground.left()


ARCHES = "runnerkit=1/gpu=any/arch=x64+arm64"
PRICES = {"arm64": 0.1, "x64": 0.12}


def both_arches() -> Ground:
    """A shop in which arm64 is a little cheaper."""
    types = (shop()[0].type, ARM)
    return Ground(
        offerings=[
            Offering(type_, "eu-west-1", "eu-west-1a", market, PRICES[type_.arch] * (1 if market is Market.SPOT else 3))
            for type_, market in product(types, Market)
        ]
    )


@pytest.mark.parametrize(
    ("stock", "kept"),
    [
        (set(), {"arm64", "x64"}),
        ({"arm64"}, {"x64"}),
        ({"x64"}, {"arm64"}),
        ({"arm64", "x64"}, {"arm64"}),
    ],
)
def test_one_user_data_serves_all_attempts(stock: set[str], kept: set[str]) -> None:
    """Baked images win over stock ones; of stock ones only the cheapest offering's architecture is tried."""
    ground = both_arches()
    ground.cloud.stock = frozenset(stock)
    ground.start(ARCHES)
    tried = {offering.type.arch for attempt in ground.cloud.attempts for offering in attempt.offerings}
    assert kept == tried == {arch for _, arch in ground.cloud.order.images}
    assert 1 == len({image.baked for image in ground.cloud.order.images.values()})


@pytest.mark.parametrize(("missing", "kept"), [({"arm64"}, {"x64"}), ({"x64"}, {"arm64"})])
def test_an_image_that_is_named_decides_the_architecture(missing: set[str], kept: set[str]) -> None:
    """It is for one alone, which need not be the cheapest offering's."""
    ground = both_arches()
    ground.cloud.missing = frozenset(missing)
    ground.start(f"{ARCHES}/image=baked")
    assert kept == {offering.type.arch for attempt in ground.cloud.attempts for offering in attempt.offerings}


def test_an_image_that_is_nowhere_is_told_for_the_cheapest_offering() -> None:
    """And nothing is registered."""
    ground = both_arches()
    ground.cloud.missing = frozenset(PRICES)
    with pytest.raises(ImageMissing, match="for arm64"):
        ground.start(f"{ARCHES}/image=baked")
    assert (0, 0) == ground.left()


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_refusals_on_the_way_are_told_and_remembered() -> None:
    """A pool that said no although another gave the machine is journalled, and left out the next time."""
    ground = Ground()
    (full,) = (o for o in shop() if (o.type.name, o.zone, o.market) == ("g4dn.xlarge", "eu-west-1a", Market.SPOT))
    ground.cloud.refuse(full)
    assert "eu-west-1b" == ground.start().launched.zone
    (refusal,) = ground.journal.refusals(EPOCH)
    assert [refusal] == [event.refusal for event in ground.events.of(OfferingRefused)]
    assert ("g4dn.xlarge", "eu-west-1a", Market.SPOT) == (refusal.type, refusal.zone, refusal.market)
    assert full not in ground.launcher.chooser.choose(labels.parse(LABEL).spec)[0].offerings


def test_a_refusal_is_remembered_only_for_a_while() -> None:
    """After refusal_memory seconds a refused pool is worth another try."""
    ground = Ground(Policy(refusal_memory=180))
    ground.cloud.refuse_all()
    with pytest.raises(NoCapacity):
        ground.start()
    spec = labels.parse(LABEL).spec
    ground.clock.advance(179)
    with pytest.raises(NoCapacity, match="refused in the last 180 seconds"):
        ground.launcher.chooser.choose(spec)
    ground.clock.advance(1)
    assert [Market.SPOT, Market.ON_DEMAND] == [attempt.market for attempt in ground.launcher.chooser.choose(spec)]


def test_what_was_refused_a_moment_ago_is_not_registered_for() -> None:
    """With every pool still remembered as refused, GitHub is not bothered at all."""
    ground = Ground()
    ground.cloud.refuse_all()
    for _ in range(2):
        with pytest.raises(NoCapacity) as caught:
            ground.start()
        assert caught.value.refusals
    assert 1 == ground.forge.registrations
    assert (0, 0) == ground.left()


def test_no_capacity_takes_the_registration_back() -> None:
    """Everything refused: every refusal is told, the failure too, and no registration stays."""
    ground = Ground()
    ground.cloud.refuse_all(Market.SPOT)
    with pytest.raises(NoCapacity):
        ground.start(LABEL + "/spot=only")
    assert (0, 0) == ground.left()
    assert len(ground.events.of(OfferingRefused)) == len(ground.journal.refusals(EPOCH)) > 0
    assert ["its launch failed"] == [event.reason for event in ground.events.of(RunnerDeregistered)]
    assert [NoCapacity] == [type(event.error) for event in ground.events.of(LaunchFailed)]


# --- failures ---------------------------------------------------------------------------------------------------------

RESET = EPOCH + timedelta(minutes=5)
AT_THE_LAUNCH: list[tuple[BaseException, str]] = [
    # what the launch call ends with, the code under which it is noted (empty: not at all)
    (NoCapacity("full"), "no-capacity"),
    (CloudThrottled("slower"), ""),
    (CloudUnavailable("nobody answers"), ""),
    (LaunchRejected("wrong"), "launch-rejected"),
    (ImageMissing("gone"), "image-missing"),
    (CloudDenied("no permission"), "aws-denied"),
    (CloudError("something else"), "cloud"),
    (ValueError("a mistake of ours"), ""),
    (KeyboardInterrupt(), ""),
]


@pytest.mark.parametrize(("error", "noted"), AT_THE_LAUNCH, ids=lambda value: type(value).__name__)
def test_whatever_fails_the_registration_is_taken_back(error: BaseException, noted: str) -> None:
    """No end of the launch call leaves a registration; what will be no better in a moment is noted for later passes."""
    ground = Ground()
    ground.cloud.trouble = error
    with pytest.raises(type(error)):
        ground.start()
    assert 1 == ground.forge.registrations
    assert (0, 0) == ground.left()
    assert ([(label_digest(REPO, [LABEL]), noted, str(NAME))] if noted else []) == ground.failures()


AT_THE_REGISTRATION: list[tuple[ForgeError, str]] = [
    (NameTaken("held"), ""),
    (RateLimited("stop", reset=RESET), ""),
    (ForgeUnavailable("nobody answers"), ""),
    (ForgeRejected("wrong"), "github-rejected"),
    (ForgeDenied("no permission"), "github-denied"),
    (NotFound("no such repository"), "not-found"),
]


@pytest.mark.parametrize(("error", "counted"), AT_THE_REGISTRATION, ids=lambda value: type(value).__name__)
def test_without_a_registration_nothing_is_launched(error: ForgeError, counted: str) -> None:
    """GitHub refuses: AWS is not asked for a machine, and only what a person must mend counts for the breaker."""
    ground = Ground()
    ground.forge.trouble = error
    with pytest.raises(type(error)):
        ground.start()
    assert (0, 0) == ground.left()
    assert not hasattr(ground.cloud, "order")
    assert ([counted] if counted else []) == [code for _, code, _ in ground.failures()]


def test_an_impossible_wish_touches_nothing_and_trips_no_breaker() -> None:
    """Nothing on offer fulfils it: it is noted, but its label set is not paused for it."""
    ground = Ground(Policy(breaker_failures=1))
    label = "runnerkit=1/gpu=h100"
    with pytest.raises(NotOffered):
        ground.start(label)
    assert 0 == ground.forge.registrations
    assert ["not-offered"] == [code for _, code, _ in ground.failures()]
    failures, digest = ground.journal.failures(EPOCH), label_digest(REPO, [label])
    assert breaker_open_until(failures, digest, ground.policy, EPOCH) is None


def test_a_taken_name_is_left_to_its_holder() -> None:
    """Somebody holds the lock: their registration stays, and nothing else is done."""
    ground = Ground()
    ground.forge.register(REPO, str(NAME), ["theirs"])
    with pytest.raises(NameTaken):
        ground.start()
    assert [("theirs",)] == [runner.labels for runner in ground.forge.real_runners()]
    assert [] == ground.cloud.live()
    assert [OfferingChosen] == [type(event) for event in ground.events.seen]


def test_an_oversized_secret_is_rejected_and_nothing_is_left() -> None:
    """User data that EC2 would not take is refused before the launch; the registration is taken back and it counts."""
    ground = Ground()
    chosen = random.Random(7)
    ground.forge.secret = "".join(chosen.choice(string.ascii_letters + string.digits) for _ in range(30_000))
    with pytest.raises(LaunchRejected, match="16384") as caught:
        ground.start()
    assert ground.forge.secret[:40] not in str(caught.value)
    assert (0, 0) == ground.left()
    assert 0 == ground.cloud.launches
    assert ["launch-rejected"] == [code for _, code, _ in ground.failures()]


def test_a_registration_that_cannot_be_taken_back_hides_no_error() -> None:
    """The launch's own failure is what is raised; the registration is left to the next pass."""
    ground = Ground()
    ground.cloud.trouble = LaunchRejected("wrong")

    def fails(effect: str) -> None:
        if effect == "before deregister":
            raise ForgeUnavailable("nobody answers")

    ground.cloud.lies.at_effect = fails
    with pytest.raises(LaunchRejected):
        ground.start()
    assert (0, 1) == ground.left()
    assert [] == ground.events.of(RunnerDeregistered)


# --- answers that are lost --------------------------------------------------------------------------------------------


def test_a_lost_answer_to_the_registration_is_taken_back() -> None:
    """It happened, but its secret is lost and nobody can use it."""
    ground = Ground()
    ground.cloud.lies.lost = 1.0
    with pytest.raises(ForgeUnavailable):
        ground.start()
    assert 1 == ground.forge.registrations
    assert (0, 0) == ground.left()
    assert [] == ground.events.of(RunnerRegistered)
    ground.cloud.lies.lost = 0.0
    assert ground.start().runner_id == ground.forge.real_runners()[0].id


@pytest.mark.parametrize("born", [Birth(EPOCH - timedelta(seconds=1)).label, Birth(EPOCH, "others").label, "theirs"])
def test_a_holder_of_another_birth_is_not_taken_back(born: str) -> None:
    """The answer is lost and the name is held by somebody else's registration: it is theirs to keep."""
    ground = Ground()
    theirs = ground.forge.register(REPO, str(NAME), [LABEL, born]).runner
    ground.forge.trouble = ForgeUnavailable("the answer is lost")
    with pytest.raises(ForgeUnavailable):
        ground.start()
    assert [theirs.id] == [runner.id for runner in ground.forge.real_runners()]


def losing_the_launch(ground: Ground) -> Callable[[str], None]:
    """Lose the answer to the launch, but not that to the registration."""

    def lose(effect: str) -> None:
        ground.cloud.lies.lost = 1.0 if effect in {"before launch", "after launch"} else 0.0

    return lose


def test_a_machine_whose_launch_answer_was_lost_is_adopted() -> None:
    """EC2 shows it under our name and registration: it counts as launched, and nothing is taken back."""
    ground = Ground()
    ground.cloud.lies.at_effect = losing_the_launch(ground)
    started = ground.start()
    (machine,) = ground.cloud.live()
    assert (machine.id, machine.type, machine.zone, machine.market) == (
        started.launched.instance_id,
        started.launched.type,
        started.launched.zone,
        started.launched.market,
    )
    assert (1, 1) == ground.left()
    assert [machine.id] == [event.instance for event in ground.events.of(InstanceLaunched)]


def test_a_namesake_of_another_registration_is_not_adopted() -> None:
    """A machine of an earlier try under the same name is not what this launch started."""
    ground = Ground()
    ground.start()
    ground.forge.vanish(ground.forge.real_runners()[0].id)
    ground.cloud.trouble = CloudUnavailable("the answer is lost")
    with pytest.raises(CloudUnavailable):
        ground.start()
    assert (1, 0) == ground.left()


def test_a_machine_nobody_sees_yet_ends_itself() -> None:
    """The answer is lost and EC2 does not list the machine: its registration is gone, so it cannot work and ends."""
    world = FakeWorld()
    hidden = f"i-{1:017x}"
    world.cloud._list.hide(hidden, EPOCH + timedelta(seconds=30))
    world.lies.at_effect = lambda effect: setattr(world.lies, "lost", 1.0 if effect.endswith("launch") else 0.0)
    launcher = Launcher(world.outside, world.policy, "runnerkit", boot.user_data)
    with pytest.raises(CloudUnavailable):
        launcher.start(Launch(NAME, REPO, (LABEL,), labels.parse(LABEL).spec))
    assert [hidden] == [machine.id for machine in world.cloud.live()]
    assert [] == world.forge.real_runners()
    world.clock.advance(120)
    assert {"instances": 0, "runners": 0, "jobs": 0} == world.left()
