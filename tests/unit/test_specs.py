"""From a label's words to the wish that is launched, within policy."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from runnerkit import labels
from runnerkit.errors import LabelError, PolicyRefused
from runnerkit.model import Job
from runnerkit.specs import distrust, resolve
from runnerkit.wishes import Policy, Retry, RunnerSpec, SpotUse

NAMED = {
    "train": labels.parse("runnerkit/gpu=l4/spot=only/disk=200gb").spec,
    "plain": labels.parse("runnerkit/gpu=0/cpu=4").spec,
}


def resolved(text: str, policy: Policy | None = None, default: str = "runnerkit") -> RunnerSpec:
    return resolve(labels.parse(text).spec, NAMED, labels.parse(default).spec, policy or Policy())


def test_what_the_label_says_wins_over_spec_and_default() -> None:
    """Label over named spec over default, key by key."""
    found = resolved("runnerkit/spec=train/spot=never", default="runnerkit/idle=10m/disk=50gb")
    assert (SpotUse.NEVER, 200, 600, ("l4",)) == (
        found.spot,
        found.disk.gb if found.disk else None,
        found.idle,
        tuple(gpu.model for gpu in found.gpu),
    )


def test_naming_a_gpu_sets_aside_the_specs_no_gpu_and_back() -> None:
    """gpu= in the label replaces the spec's gpu as a whole."""
    assert resolved("runnerkit/spec=plain/gpu=t4").gpu[0].model == "t4"
    assert not resolved("runnerkit/spec=plain/gpu=t4").no_gpu
    assert resolved("runnerkit/spec=train/gpu=0").gpu == ()


def test_naming_a_type_sets_aside_the_specs_hardware() -> None:
    """type= in the label is not narrowed by the spec's description of other hardware."""
    found = resolved("runnerkit/spec=train/type=m7i.large")
    assert ((), ("m7i.large",)) == (found.gpu, found.type)


def test_everything_is_said_in_the_end() -> None:
    """A bare label has a market, an architecture, leases and a retry rule."""
    found = resolved("runnerkit")
    assert (SpotUse.PREFER, ("x64",), 300, 86_400, Retry.INTERRUPTED) == (
        found.spot,
        found.arch,
        found.idle,
        found.life,
        found.retry,
    )


def test_life_and_price_are_capped_by_policy() -> None:
    """A label may ask for less than policy allows, never for more."""
    policy = Policy(max_life=3_600, max_price=1.0)
    assert (3_600, 1.0) == (
        resolved("runnerkit/life=12h/price=5", policy).life,
        resolved("runnerkit/price=5", policy).price,
    )
    assert (1_800, 0.5) == (resolved("runnerkit/life=30m", policy).life, resolved("runnerkit/price=0.5", policy).price)


def test_an_unknown_spec_names_the_nearest() -> None:
    """A misspelt spec is refused with the name that was probably meant."""
    with pytest.raises(LabelError) as caught:
        resolved("runnerkit/spec=trian")
    assert "train" in caught.value.hint


REFUSED = [
    ("runnerkit/gpu=h100", Policy(gpus=("t4", "l4")), "gpu=h100"),
    ("runnerkit/type=p5.48xlarge", Policy(types=("g*",)), "type=p5.48xlarge"),
    ("runnerkit/family=p5", Policy(types=("g*",)), "family=p5"),
    ("runnerkit/gpu=t4/region=us-east-1", Policy(regions=("eu-*",)), "region=us-east-1"),
    ("runnerkit/image=mine", Policy(images=("team-*",)), "image=mine"),
    ("runnerkit/profile=Admin", Policy(), "profile=Admin"),
    ("runnerkit/profile=Admin", Policy(profiles=("Reader",)), "profile=Admin"),
    ("runnerkit/gpu=t4", Policy(specs_only=True), "named specs only"),
]


@pytest.mark.parametrize(("label", "policy", "words"), REFUSED)
def test_policy_refuses_and_says_what_it_allows(label: str, policy: Policy, words: str) -> None:
    """What policy forbids never launches; the message names key and value, the hint what is allowed."""
    with pytest.raises(PolicyRefused, match=words) as caught:
        resolved(label, policy)
    assert caught.value.hint


def test_a_profile_is_a_permission_and_must_be_listed() -> None:
    """An instance profile is only used when policy lists it, in its own case."""
    policy = Policy(profiles=("TrainReader",))
    assert "TrainReader" == resolved("runnerkit/profile=TrainReader", policy).profile
    with pytest.raises(PolicyRefused):
        resolved("runnerkit/profile=trainreader", policy)


TRUST = [
    # private, fork, event, policy key that is missing
    (True, False, "push", None),
    (True, False, "pull_request", None),
    (False, False, "push", "public_repositories"),
    (None, False, "push", "public_repositories"),
    (True, True, "pull_request", "forks"),
    (True, None, "pull_request", "forks"),
    (True, False, "pull_request_target", "pull_request_target"),
]


@pytest.mark.parametrize(("private", "fork", "event", "key"), TRUST)
def test_refuse_by_default(private: bool | None, fork: bool | None, event: str, key: str | None) -> None:
    """Public repositories, forks and pull_request_target get nothing unless policy says so; unknown counts as no."""
    job = Job(
        1, 1, 1, "a/b", "j", "queued", (), datetime(2026, 1, 1, tzinfo=UTC), event=event, private=private, fork=fork
    )
    refused = distrust(job, Policy())
    assert (key is None) == (refused is None)
    if key is not None:
        assert refused is not None
        assert key in refused.hint
        assert distrust(job, Policy.model_validate({key: True})) is None
