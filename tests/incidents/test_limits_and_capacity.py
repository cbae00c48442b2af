"""Calls that ran into walls: rate limits, registrations that can never work, old runners, pools that are empty."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from runnerkit import boot
from runnerkit.errors import ForgeRejected, LaunchRejected, RateLimited
from runnerkit.github.asks import AT_REPOSITORY, Answer, Ask
from runnerkit.github.budget import Meter
from runnerkit.model import Breadth, Market
from runnerkit.names import NAME_LIMIT, RunnerName, Secret
from runnerkit.ports import Machine
from runnerkit.runner_age import judge
from runnerkit.testing import FakeClock, FakeCloud, FakeForge, shop
from runnerkit.wishes import Policy
from tests.incidents.ground import LABEL, REPO, SUCCESS, passes, small, state, the_machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.model import Instance, Job, Registration, Runner
    from runnerkit.testing import FakeWorld


class Counting(FakeForge):
    """Counts what it is asked; ``refusing`` makes every registration wrong."""

    refusing = False

    def __init__(self, world: FakeWorld) -> None:
        super().__init__(world.clock, world.lies)
        self.asked: Counter[str] = Counter()

    def runners(self, repo: str) -> Sequence[Runner]:
        """Count."""
        self.asked["runners"] += 1
        return super().runners(repo)

    def active(self, repo: str) -> Sequence[Job]:
        """Count."""
        self.asked["active"] += 1
        return super().active(repo)

    def job(self, repo: str, job_id: int) -> Job | None:
        """Count."""
        self.asked["job"] += 1
        return super().job(repo, job_id)

    def register(self, repo: str, name: str, labels: Sequence[str]) -> Registration:
        """Count, and refuse when told to."""
        self.asked["register"] += 1
        if self.refusing:
            raise ForgeRejected("the name is not valid")
        return super().register(repo, name, labels)


class CountingCloud(FakeCloud):
    """Counts how often everything is listed."""

    listed = 0

    def instances(self) -> Sequence[Instance]:
        """Count."""
        self.listed += 1
        return super().instances()


# --- rate limits ------------------------------------------------------------------------------------------------------


def test_an_idle_pass_asks_github_little() -> None:
    """TAGR #3199, #5037: the API's limit is used up by looking, and more and more GitHub Apps are needed."""
    world = small()
    world.forge = forge = Counting(world)
    world.fleet().once()
    forge.asked.clear()
    world.fleet().once()
    assert 3 >= forge.asked.total()


def test_a_pass_lists_once_however_many_jobs_wait() -> None:
    """TAGR #4710: the number of running machines is looked up for each message, which is slow and hits limits."""
    world = small(Policy(max_machines=100))
    world.forge, world.cloud = forge, cloud = Counting(world), CountingCloud(world.clock)
    for number in range(60):
        world.forge.queue(REPO, [f"runnerkit={number}/gpu=t4"])
    world.fleet().once()
    assert (60, 1, 1) == (len(cloud.live()), forge.asked["runners"], forge.asked["active"])
    # The last look is at each job alone.
    assert (60, 60) == (forge.asked["job"], forge.asked["register"])
    assert 2 >= cloud.listed


def test_nothing_is_sent_before_a_known_reset() -> None:
    """GARM #616: while the limit was spent, JIT configurations were asked for all the more."""
    clock = FakeClock(datetime(2026, 11, 21, 12, tzinfo=UTC))
    meter = Meter(clock)
    ask = Ask(verb="POST", path="/x", what="register", repo=REPO, need=AT_REPOSITORY.read_runners)
    reset = int((clock.now() + timedelta(minutes=20)).timestamp())
    headers = {
        "x-ratelimit-remaining": "0",
        "x-ratelimit-limit": "5000",
        "x-ratelimit-reset": str(reset),
        "x-ratelimit-resource": "core",
    }
    with pytest.raises(RateLimited):
        meter.learn("me", ask, Answer(403, headers, '{"message": "API rate limit exceeded"}'))
    for _ in range(19):
        clock.advance(60)
        with pytest.raises(RateLimited):
            meter.admit("me", ask)
    clock.advance(62)
    meter.admit("me", ask)


# --- registrations ----------------------------------------------------------------------------------------------------


def test_a_registration_that_can_never_work_burns_no_machine() -> None:
    """RunsOn #523: a name that GitHub refused was tried again for ten hours, and cost 8,900 machines."""
    world = small()
    world.forge = forge = Counting(world)
    forge.refusing = True
    forge.queue(REPO, [LABEL])
    passes(world, 240)
    assert 0 == world.cloud.launches
    # Three, and then three in each half hour.
    assert 30 > forge.asked["register"]


def test_every_name_is_one_that_github_takes() -> None:
    """RunsOn #523: runner names have at most 64 characters, and not all of them."""
    chance = random.Random(4)
    for _ in range(200):
        number, run = chance.getrandbits(63), chance.getrandbits(63)
        for name in (RunnerName.for_job(number, 999), RunnerName.for_launch(run, 100, "0123abcd", 999)):
            assert len(str(name)) <= NAME_LIMIT
            assert set(str(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
            assert name == RunnerName.parse(str(name))


def test_a_jit_configuration_that_is_too_large_is_a_clear_error() -> None:
    """TAGR #4541, #3461, #3392, PR #4613: a configuration above 4 KB, or none, and the machine waits for ever."""
    noise = random.Random(1).randbytes(20_000).hex()
    machine = Machine("rk-1-1", REPO, (LABEL,), online_within=300, idle=300, life=3600, baked=True)
    with pytest.raises(LaunchRejected, match=r"rk-1-1 has \d+ bytes"):
        boot.user_data(machine, Secret(noise))


def test_a_launch_that_is_wrong_leaves_no_registration() -> None:
    """TAGR #3461: the registration is made, the machine cannot be, and the runner stays at GitHub."""
    world = small()
    world.forge.queue(REPO, [LABEL])

    def too_large(machine: Machine, jit_config: Secret) -> bytes:
        del machine, jit_config
        return b"x" * 20_000

    world.fleet(user_data=too_large).once()
    assert ([], []) == (world.forge.real_runners(), world.cloud.live())


def test_a_runner_that_github_refuses_is_found_out_before_the_launch() -> None:
    """actions/runner #4392, #3767: the runner in the image is too old, connects, and is never given a job."""
    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert "error" == judge("2.320.0", "2.336.0", now - timedelta(days=31), now).level
    assert "ok" == judge("2.336.0", "2.336.0", now - timedelta(days=31), now).level


# --- capacity ---------------------------------------------------------------------------------------------------------


def test_without_spot_a_machine_is_bought_on_demand() -> None:
    """TAGR #2566, #3035, #1744; CDK #193: there is no spot capacity, and the job waits until there is."""
    world = small()
    world.cloud.refuse_all(Market.SPOT)
    job = world.forge.queue(REPO, [LABEL])
    world.fleet().once()
    assert Market.ON_DEMAND is the_machine(world).market
    passes(world, 15)
    assert SUCCESS == state(world, job)


@pytest.mark.parametrize("code", ["MaxSpotInstanceCountExceeded", "InsufficientInstanceCapacity", "SpotMaxPriceTooLow"])
def test_a_spot_quota_is_no_reason_to_wait_either(code: str) -> None:
    """TAGR #1744: only some of the codes led to an on-demand machine."""
    world = small()
    for offering in shop():
        if offering.market is Market.SPOT:
            world.cloud.refuse(offering, code, Breadth.MARKET)
    world.forge.queue(REPO, [LABEL])
    world.fleet().once()
    assert Market.ON_DEMAND is the_machine(world).market


def test_hours_without_capacity_lose_no_job() -> None:
    """TAGR #2925, #4653: retries are counted, and used up while the job is still queued."""
    world = small()
    world.cloud.refuse_all()
    jobs = [world.forge.queue(REPO, [f"runnerkit={number}/gpu=t4"]) for number in range(3)]
    passes(world, 3 * 60)
    asked = world.forge.registrations
    world.cloud.accept_all()
    passes(world, 45)
    assert {SUCCESS} == {state(world, job) for job in jobs}
    # Ever more slowly meanwhile: not once in each pass.
    assert 30 > asked


def test_the_last_pool_that_has_a_gpu_is_found() -> None:
    """pytorch/ci-infra #952: thousands of capacity errors in two hours, because only few pools were tried."""
    world = small()
    pools = shop("eu-west-1") + shop("us-east-1", ("us-east-1a", "us-east-1b"))
    world.cloud = cloud = FakeCloud(world.clock, offerings=pools)
    for pool in pools:
        if (pool.type.name, pool.zone, pool.market) != ("g5.xlarge", "us-east-1b", Market.SPOT):
            cloud.refuse(pool)
    world.forge.queue(REPO, ["runnerkit=1/gpu=any/region=eu-west-1+us-east-1"])
    world.fleet().once()
    found = the_machine(world)
    assert ("g5.xlarge", "us-east-1b", Market.SPOT) == (found.type, found.zone, found.market)


def test_five_queued_jobs_get_five_machines() -> None:
    """TAGR #3668, #2306; gitlab-org/fleeting/taskscaler #29: twenty machines for a matrix of which five run at once."""
    world = small()
    for _ in range(5):
        world.forge.queue(REPO, [LABEL], run_id=7)
    for _ in range(10):
        world.fleet().once()
        world.clock.advance(5)
    assert 5 == world.cloud.launches


def test_a_job_behind_an_impossible_one_gets_one_machine() -> None:
    """TAGR #2306: when part of a batch fails, what was started for the rest of it is started once more."""
    world = small()
    world.cloud.refuse_all(Market.SPOT)
    world.forge.queue(REPO, ["runnerkit=1/gpu=t4/spot=only"])
    world.forge.queue(REPO, ["runnerkit=2/gpu=t4"])
    world.fleet().once()
    assert 1 == world.cloud.launches


def test_each_job_says_what_machine_it_wants() -> None:
    """TAGR #4529, #4870, #4138: type, image and market should be chosen by the job, not by the installation."""
    world = small()
    world.forge.queue(REPO, ["runnerkit=1/type=g6.xlarge/spot=never"])
    world.fleet().once()
    assert ("g6.xlarge", Market.ON_DEMAND) == (the_machine(world).type, the_machine(world).market)


def test_every_machine_has_its_tags_from_the_first_moment() -> None:
    """RunsOn #437: machines of a pool lack tags, so nobody knows what they are for."""
    world = small()
    job = world.forge.queue(REPO, [LABEL])
    world.fleet().once()
    machine = the_machine(world)
    assert (f"rk-{job.id}-1", REPO, job.id, job.run_id) == (machine.name, machine.repo, machine.job_id, machine.run_id)
    assert None not in {machine.online_by, machine.idle_until, machine.expires_at, machine.runner_id}


def test_no_machine_can_read_the_secret_of_another() -> None:
    """TAGR #2318: runners could read each other's tokens. Here each has its own, and no tag or label carries it."""
    world = small()
    for number in range(3):
        world.forge.queue(REPO, [f"runnerkit={number}/gpu=t4"])
    world.fleet().once()
    secrets = {f"jit-{runner.id}" for runner in world.forge.real_runners()}
    for machine in world.cloud.live():
        told = world.cloud.user_data[machine.id].decode("utf-8", "replace")
        assert [f"jit-{machine.runner_id}"] == [secret for secret in secrets if secret in told]
    shown = repr(world.cloud._tags) + repr(world.forge.real_runners())
    assert not any(secret in shown for secret in secrets)
