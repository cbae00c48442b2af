"""What is asked of AWS: the same for the same wish, and nothing that AWS would refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runnerkit.batch import requests
from runnerkit.batch.hardware import fitted
from runnerkit.batch.links import log_link
from runnerkit.batch.ports import Surroundings
from runnerkit.batch.wish import Container, Machines, check, secrets, variables
from runnerkit.errors import ConfigError, NotOffered

ROLE = "arn:aws:iam::123456789012:role/runs"
CONTAINER = Container("ghcr.io/acme/model:1", vcpus=4, memory=8192)
WHERE = Surroundings(("subnet-1", "subnet-2"), ("sg-1",), "arn:profile", ("g4dn.xlarge",))


def test_names_tell_what_is_wished_and_differ_when_it_differs() -> None:
    """One compute environment for each wish."""
    wishes = [
        Machines(gpu="t4"), Machines(gpu="t4", spot=False), Machines(gpu="l4"), Machines(), Machines(max_vcpus=8),
        Machines(types=("g5",)), Machines(profile="mine"),
    ]  # fmt: skip
    names = [requests.compute_name("acme", wish) for wish in wishes]
    assert len(names) == len(set(names))
    assert names[0].startswith("rk-acme-t4-spot-")
    assert names[0] == requests.compute_name("acme", Machines(gpu="t4"))
    assert names[0] != requests.compute_name("acme", Machines(gpu="t4"), ["subnet-1"])


def test_a_name_is_one_that_batch_takes() -> None:
    """At most 128 letters, digits, dashes and underscores, and still different."""
    long = [requests.named("rk", "a.b/c", "x" * 200 + end) for end in "12"]
    assert all(len(name) <= 128 and set(name) <= set("rk-abcx0123456789def") for name in long)
    assert long[0] != long[1]


def test_a_spot_compute_environment_keeps_nothing_running() -> None:
    """Price and capacity decide, no role of Spot Fleet is needed, and GPUs get the image that has a driver."""
    made = requests.compute("n", Machines(gpu="t4"), WHERE, {"runnerkit:owner": "acme"}, gpu=True)["computeResources"]
    assert ("SPOT", "SPOT_PRICE_CAPACITY_OPTIMIZED", 0) == (made["type"], made["allocationStrategy"], made["minvCpus"])
    assert [{"imageType": "ECS_AL2023_NVIDIA"}] == made["ec2Configuration"]
    assert {"runnerkit:owner": "acme", "Name": "n"} == made["tags"]
    plain = requests.compute("n", Machines(spot=False), replace(WHERE, types=()), {})["computeResources"]
    assert ("EC2", "BEST_FIT_PROGRESSIVE", ["default_x86_64"]) == (
        plain["type"], plain["allocationStrategy"], plain["instanceTypes"],
    )  # fmt: skip
    assert [{"imageType": "ECS_AL2023"}] == plain["ec2Configuration"]


def test_the_name_of_a_definition_is_that_of_its_content() -> None:
    """The same content has the same name; anything else another."""
    others: list[dict[str, Any]] = [
        {"image": "x"}, {"vcpus": 8}, {"memory": 1}, {"gpus": 1}, {"job_role": ROLE}, {"timeout": 60}, {"retries": 0},
        {"secrets": (("A", "a"),), "execution_role": ROLE}, {"registry_secret": "arn:s"},
    ]  # fmt: skip
    names = {
        requests.definition("o", each, "r", {})["jobDefinitionName"]
        for each in (CONTAINER, replace(CONTAINER), *(replace(CONTAINER, **other) for other in others))
    }
    assert len(others) + 1 == len(names)


def test_only_a_lost_machine_is_a_reason_to_repeat() -> None:
    """Batch repeats what no rule matches, so the last rule matches all."""
    assert {"attempts": 1} == requests.retry(0)
    told = requests.retry(2)
    assert 3 == told["attempts"]
    assert [("Host EC2*", "RETRY"), (None, "EXIT")] == [
        (rule.get("onStatusReason"), rule["action"]) for rule in told["evaluateOnExit"]
    ]


def test_the_name_of_a_job_is_that_of_run_and_command() -> None:
    """A repeated step finds its job; another command, variable or definition is another job."""
    name = requests.job_name("rk-7-1", ["make"], {}, "d")
    assert name == requests.job_name("rk-7-1", ["make"], {}, "d")
    others = {
        requests.job_name("rk-7-2", ["make"], {}, "d"), requests.job_name("rk-7-1", ["make", "all"], {}, "d"),
        requests.job_name("rk-7-1", ["make"], {"A": "1"}, "d"), requests.job_name("rk-7-1", ["make"], {}, "e"),
    }  # fmt: skip
    assert 4 == len(others - {name})


@pytest.mark.parametrize(
    ("region", "start"),
    [
        ("eu-west-1", "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn/"),
        ("eusc-de-east-1", "https://eusc-de-east-1.console.amazonaws-eusc.eu/"),
    ],
)
def test_the_link_is_as_the_console_writes_it(region: str, start: str) -> None:
    """Each slash is encoded twice, and the outer per cent sign is a dollar sign."""
    link = log_link(region, "name/default/0a b")
    assert link.startswith(start)
    assert link.endswith("/log-group/$252Faws$252Fbatch$252Fjob/log-events/name$252Fdefault$252F0a$2520b")


# --- sizes ------------------------------------------------------------------------------------------------------------


def test_a_gpu_brings_its_types_and_the_size_of_the_smallest() -> None:
    """Only types that AWS's GPU image runs on, all with as many GPUs as were wished for."""
    sized, types = fitted(Container("x"), Machines(gpu="t4"), "us-east-1")
    assert "g4dn.xlarge" in types
    assert all(name.startswith("g4dn.") for name in types)
    assert (4, 1) == (sized.vcpus, sized.gpus)
    assert 12_000 < sized.memory < 15_000
    assert 4 == fitted(Container("x"), Machines(gpu="4xt4"), "us-east-1")[0].gpus


def test_without_a_gpu_something_small_is_asked_for() -> None:
    """Batch chooses the types; what was said stays as it is."""
    sized, types = fitted(Container("x"), Machines(), "us-east-1")
    assert (2, 4096, 0, ()) == (sized.vcpus, sized.memory, sized.gpus, types)
    assert 9 == fitted(Container("x", vcpus=9), Machines(gpu="t4"), "us-east-1")[0].vcpus


def test_named_types_with_gpus_give_the_container_theirs() -> None:
    """A container that asks for no GPU sees none."""
    assert 1 == fitted(Container("x"), Machines(types=("g5.xlarge", "g5.2xlarge")), "us-east-1")[0].gpus
    assert 0 == fitted(Container("x"), Machines(types=("m6i",)), "us-east-1")[0].gpus


@pytest.mark.parametrize("gpu", ["t4+4xl4", "0", "t5", "v100", "t4g"])
def test_a_gpu_that_cannot_be_had_on_batch_is_refused(gpu: str) -> None:
    """Two counts, none, an unknown one, one without an image of AWS's."""
    with pytest.raises((ConfigError, NotOffered)):
        fitted(Container("x"), Machines(gpu=gpu), "us-east-1")


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "machines", "environment", "words"),
    [
        ({"timeout": 59}, {}, {}, "--timeout"),
        ({"retries": 10}, {}, {}, "--retries"),
        ({"vcpus": 300}, {}, {}, "--max-vcpus"),
        ({"secrets": (("A", "a"),)}, {}, {}, "--execution-role"),
        ({"registry_secret": "arn:s"}, {}, {}, "--execution-role"),
        ({"job_role": "runs"}, {}, {}, "--job-role 'runs' is not the ARN"),
        ({}, {"queue": "q", "compute": "c"}, {}, "--queue"),
        ({}, {}, {"AWS_BATCH_X": "1"}, "AWS_BATCH_X"),
        ({}, {}, {"A B": "1"}, "'A B'"),
        ({"secrets": (("A", "a"),), "execution_role": ROLE}, {}, {"A": "1"}, "by --env and by --secret-env"),
    ],
)
def test_what_aws_would_refuse_is_refused_before_anything_is_made(
    container: dict[str, Any], machines: dict[str, Any], environment: dict[str, str], words: str
) -> None:
    """The message names the option."""
    with pytest.raises(ConfigError, match=words):
        check(replace(CONTAINER, **container), Machines(**machines), environment)


def test_variables_are_given_with_a_value_or_taken_from_here() -> None:
    """As `docker run` does it; a missing one is an error and not an empty one."""
    assert {"A": "1=2", "B": "", "C": "here"} == variables(["A=1=2", "B=", "C"], {"C": "here"})
    with pytest.raises(ConfigError, match="--env D"):
        variables(["D"], {})
    assert (("A", "arn:x"), ("B", "B")) == secrets(["B", "A=arn:x"])
