"""From a job to a wish: a repository's own specs, and environments that must have let it through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ForgeUnavailable, LabelError, PolicyRefused
from runnerkit.testing import FakeWorld
from runnerkit.understanding import REPOSITORY_FILE, Understanding, Wishes, named_specs
from runnerkit.wishes import Policy, RunnerSpec

if TYPE_CHECKING:
    from runnerkit.model import Job

REPO = "acme/widgets"
SPECS = '[specs.big]\ngpu = "l4"\ndisk = "200gb"\n'


def ground(label: str, policy: Policy | None = None, **named: RunnerSpec) -> tuple[FakeWorld, Understanding, Job]:
    world = FakeWorld()
    job = world.forge.queue(REPO, [label])
    return world, Understanding(world.outside, policy or Policy(), Wishes(named, RunnerSpec())), job


def test_a_repository_may_name_specs_of_its_own() -> None:
    """Read from its default branch when a label names one that the configuration does not have."""
    world, understanding, job = ground("runnerkit=1/spec=big")
    world.forge.write_file(REPO, REPOSITORY_FILE, SPECS)
    wish = understanding.wish(job)
    assert wish is not None
    assert (wish.gpu[0].model, wish.disk.gb if wish.disk else 0) == ("l4", 200)


def test_the_configuration_wins_over_the_repository() -> None:
    """A repository cannot change what an administrator named, nor is its file read then."""
    world, understanding, job = ground("runnerkit=1/spec=big", big=RunnerSpec(type=("m7i.large",)))
    world.forge.write_file(REPO, REPOSITORY_FILE, "this is not even TOML [")
    wish = understanding.wish(job)
    assert wish is not None
    assert wish.type == ("m7i.large",)


def test_policy_bounds_a_repositorys_specs() -> None:
    """They are wishes like any other."""
    world, understanding, job = ground("runnerkit=1/spec=big", Policy(gpus=("t4",)))
    world.forge.write_file(REPO, REPOSITORY_FILE, SPECS)
    with pytest.raises(PolicyRefused, match="gpu=l4 is not allowed"):
        understanding.wish(job)


def test_the_file_is_read_once_a_minute() -> None:
    """A hundred jobs of one push cost one read, and a mended file counts soon."""
    world, understanding, job = ground("runnerkit=1/spec=big")
    with pytest.raises(LabelError, match="no spec is named 'big'"):
        understanding.wish(job)
    world.forge.write_file(REPO, REPOSITORY_FILE, SPECS)
    with pytest.raises(LabelError):
        understanding.wish(job)
    world.clock.advance(61)
    assert understanding.wish(job) is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[specs.big\n", "is not TOML"),
        ("[policy]\nforks = true\n", "policy: a repository may only have"),
        ('specs = "big"\n', r"write \[specs.NAME\]"),
        ('[specs]\nbig = "l4"\n', r"write \[specs.NAME\]"),
        ('[specs.big]\ngpuu = "l4"\n', r"\[specs.big\].*gpuu"),
    ],
)
def test_a_file_that_cannot_be_used_names_itself(text: str, words: str) -> None:
    """Origin, spec, key and reason."""
    with pytest.raises(LabelError, match=words) as caught:
        named_specs(text, f"{REPO}: {REPOSITORY_FILE}")
    assert REPOSITORY_FILE in caught.value.message


GATED = Policy(require_environment=("gpu",))


def test_a_job_that_an_environment_let_through_gets_its_machine() -> None:
    """And what it passed once is not asked for again."""
    world, understanding, job = ground("runnerkit=1/gpu=t4", GATED)
    world.forge.gate(job.id, "gpu")
    assert understanding.wish(job) is not None
    world.forge.lies.failing = 1.0
    assert understanding.wish(job) is not None


def test_a_job_of_which_nobody_can_tell_is_refused() -> None:
    """Unknown counts as no; asked again in the next pass, it may have passed by then."""
    world, understanding, job = ground("runnerkit=1/gpu=t4", GATED)
    with pytest.raises(PolicyRefused, match="nobody can tell"):
        understanding.wish(job)
    world.forge.gate(job.id, "gpu")
    assert understanding.wish(job) is not None


def test_trouble_with_github_is_no_refusal() -> None:
    """The job waits, and the reason is told; nobody is told that policy refuses."""
    world, understanding, job = ground("runnerkit=1/gpu=t4", GATED)
    world.policy = GATED
    fleet = world.fleet()
    world.forge.gates = _down  # type: ignore[assignment,method-assign]  # only this call fails
    with pytest.raises(ForgeUnavailable):
        understanding.wish(job)
    seen = fleet.preview()
    assert (seen.refused, [each.job.id for each in seen.plan.waiting]) == ((), [job.id])
    assert "cannot be told" in seen.plan.waiting[0].why


def _down(*_: object) -> frozenset[str]:
    raise ForgeUnavailable("nobody answers")
