"""The policies against AWS's service authorization reference: actions, resources, conditions, size.

Conditions are checked here and nowhere else: no AWS evaluates them behind these tests.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.api import lint

from runnerkit.batch.requests import named
from runnerkit.batch.roles import Profiles
from runnerkit.batch.trouble import ACTIONS as BATCH_ACTIONS
from runnerkit.permissions import BESIDE, DEPENDENT, LARGEST, Place, Statement, Use, actions, policy, statements
from runnerkit.setup.words import Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "123456789012"
PLACE = Place(
    account=ACCOUNT,
    regions=("eu-central-1", "eu-west-1"),
    owner="research-and-development",
    roles=(f"arn:aws:iam::{ACCOUNT}:role/rk-machine",),
    journal="acme-journal/ml",
    data="acme-models/dvc",
    topics=(f"arn:aws:sns:eu-central-1:{ACCOUNT}:runs",),
    job_roles=(f"arn:aws:iam::{ACCOUNT}:role/train",),
    key=f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234",
)
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
OPERATORS = {"ArnEquals", "ArnLike", "Bool", "StringEquals", "StringEqualsIfExists", "StringLike"}
# Keys of every request: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
# and of requests with the credentials of an instance's role:
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/iam-roles-for-amazon-ec2.html
GLOBAL = {"aws:RequestedRegion", "ec2:SourceInstanceARN"}
# What policies of ours may be put together in one role.
TOGETHER: list[tuple[Use, ...]] = [
    (Use.RUNNERS, Use.BURST, Use.JOURNAL, Use.CONNECT, Use.DOCTOR),
    (Use.RUNNERS, Use.BURST, Use.JOURNAL, Use.LAMBDA),
    (Use.JOB, Use.NOTIFY, Use.MACHINE),
]


@cache
def reference() -> dict[str, Any]:
    """AWS's pages as data; ``scripts/read_service_reference.py`` makes it."""
    return dict(json.loads(Path(__file__).with_name("service_reference.json").read_text(encoding="utf-8")))


def every() -> Iterator[tuple[Use, Statement, str]]:
    for use in Use:
        for statement in statements([use], PLACE):
            for action in statement.actions:
                yield use, statement, action


def kinds_of(statement: Statement, action: str) -> dict[str, Any]:
    """The kinds of resources that an action and a statement have in common."""
    known = reference()[action]["resources"]
    return {kind: each for kind, each in known.items() if any(_fits(each["arn"], arn) for arn in statement.resources)}


def _fits(shape: str, arn: str) -> bool:
    """Whether an ARN of this shape can be covered by a policy's ARN; ``*`` stands for anything on both sides."""
    if arn == "*":
        return True
    shown = re.sub(r"\$\{[^}]*\}", "*", shape).split(":", 5)
    return all(_meet(one, other) for one, other in zip(shown, arn.split(":", 5), strict=True))


def _meet(one: str, other: str) -> bool:
    if "*" not in one + other:
        return one == other
    start, other_start = one.split("*", maxsplit=1)[0], other.split("*", maxsplit=1)[0]
    return start.startswith(other_start) or other_start.startswith(start)


def test_every_action_exists() -> None:
    """In AWS's reference, and what is asked for by itself is in some policy."""
    named = {action for _, _, action in every()}
    assert set() == named - set(reference())
    assert set(DEPENDENT) == set(DEPENDENT) & named
    assert all(why and why[0].islower() for why in DEPENDENT.values())


def test_every_action_is_limited_to_a_resource_that_it_takes() -> None:
    """And where AWS takes none, to none; what AWS always asks for is covered by some statement of the use."""
    for use, statement, action in every():
        if statement.resources == ("*",):
            assert not any(each["required"] for each in reference()[action]["resources"].values()), (use, action)
        else:
            assert kinds_of(statement, action), (use, statement.sid, action)
    for use in Use:
        for action in actions([use], PLACE):
            found = [kinds_of(each, action) for each in statements([use], PLACE) if action in each.actions]
            needed = {kind for kind, each in reference()[action]["resources"].items() if each["required"]}
            assert set() == needed - {kind for kinds in found for kind in kinds}, (use, action)


def test_every_condition_is_one_that_its_actions_know() -> None:
    """Operator, key and values: each key is global, or the action's, or that of each resource it is about."""
    for use, statement, action in every():
        for test, keys in statement.conditions.items():
            assert test in OPERATORS, test
            for key, values in keys.items():
                shape = re.sub(r"^(aws:(?:Request|Resource)Tag)/.+", r"\1/${TagKey}", key)
                about = [each["keys"] for each in kinds_of(statement, action).values()]
                known = shape in GLOBAL | set(reference()[action]["keys"]) or any(shape in each for each in about)
                assert known, (use, statement.sid, action, key)
                assert values, (use, statement.sid, key)
                assert all(values), (use, statement.sid, key)


def test_what_is_anothers_cannot_be_made_ours() -> None:
    """No action that tags or overwrites passes for a thing that bears another owner's tag, nor another's definition."""
    own, given = "aws:ResourceTag/runnerkit:owner", "aws:RequestTag/runnerkit:owner"
    for use, statement, action in every():
        keys = {key for each in statement.conditions.values() for key in each}
        if action in {"ec2:CreateTags", "ssm:AddTagsToResource", "batch:TagResource"} and use is not Use.SETUP:
            assert own in keys or {given, "ec2:CreateAction"} <= keys, (use, statement.sid)
        if action == "ssm:PutParameter":
            assert given in keys, statement.sid
        if action == "batch:SubmitJob" and any("job-definition" in arn for arn in statement.resources):
            assert own in keys, statement.sid


def test_names_are_those_of_the_owner() -> None:
    """Where AWS limits by names, one owner's roles and logs are out of another's reach, however long names are."""
    for owner in ("ml", "ml.x_2-", *("o" * length for length in range(36, 65))):
        place = Place(ACCOUNT, ("eu-central-1",), owner)
        lines = [arn for use in (Use.SETUP, Use.BATCH) for each in statements([use], place) for arn in each.resources
                 if arn != "*"]  # fmt: skip
        made = Wanted(owner=owner)
        setup = {made.name(part) for part in ("launch", "machine", "job", "deadman", "budget")}
        role = Profiles(None, "eu-central-1", owner, {}).name
        assert all(any(fnmatchcase(f"arn:aws:iam::{ACCOUNT}:role/{name}", arn) for arn in lines) for name in setup)
        assert any(fnmatchcase(f"arn:aws:iam::{ACCOUNT}:role/{role}", arn) for arn in lines)
        stream = f"log-group:/aws/batch/job:log-stream:{named('rk', owner, '0' * 10)}/default/1"
        assert any(fnmatchcase(f"arn:aws:logs:eu-central-1:{ACCOUNT}:{stream}", arn) for arn in lines)
        anywhere = [arn for each in statements([Use.BATCH], Place(ACCOUNT, (), owner)) for arn in each.resources]
        assert any(fnmatchcase(f"arn:aws:iam::{ACCOUNT}:role/{role}", arn) for arn in anywhere if arn != "*")
        others = ("role/runnerkit-other-launch", "role/rk-batch-other-eu-central-1", "role/rk-batch-ml-x-eu-central-1")
        assert not any(fnmatchcase(f"arn:aws:iam::{ACCOUNT}:{name}", arn) for name in others for arn in lines)


def test_what_changes_something_is_limited_by_tag_name_or_place() -> None:
    """Only what reads is allowed on everything, and nothing is allowed by a wildcard in its name."""
    reads = ("Describe", "Get", "List", "View")
    for use, statement, action in every():
        assert re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action), action
        if "*" in statement.resources:
            assert action.partition(":")[2].startswith(reads), (use, statement.sid, action)


def test_where_no_region_is_named_nothing_is_limited_to_none() -> None:
    """An empty place makes policies without conditions on regions, and without roles to pass."""
    made = statements(Use, Place())
    assert not any("aws:RequestedRegion" in keys for each in made for keys in each.conditions.values())
    assert not any("" in each.resources for each in made)
    assert "MachineRole" not in {each.sid for each in made}


@pytest.mark.parametrize("uses", [*((use,) for use in Use), *TOGETHER], ids="+".join)
def test_a_policy_is_small_enough_and_names_its_statements(uses: tuple[Use, ...]) -> None:
    """IAM's limit for managed policies, without white space; names are unique, letters and digits."""
    document = policy(uses, PLACE)
    assert len(json.dumps(document, separators=(",", ":"))) <= LARGEST
    names = [each["Sid"] for each in document["Statement"]]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9]+", name) for name in names)


def test_uses_are_joined_without_losing_or_adding_anything() -> None:
    """Each two together allow what both allow, and equal statements are there once."""
    for one, other in combinations(Use, 2):
        assert actions([one], PLACE) | actions([other], PLACE) == actions([one, other], PLACE)
        pairs = {(each.resources, action) for use in (one, other) for each in statements([use], PLACE)
                 for action in each.actions}  # fmt: skip
        assert pairs == {(each.resources, a) for each in statements([one, other], PLACE) for a in each.actions}
    assert statements([Use.RUNNERS, Use.RUNNERS], PLACE) == statements([Use.RUNNERS], PLACE)
    assert len(statements([Use.RUNNERS, Use.BAKE], PLACE)) < len(statements([Use.RUNNERS], PLACE)) + 5
    assert set(BESIDE) < set(Use)


def test_the_words_of_a_denial_on_batch_know_the_same_actions() -> None:
    """What Batch's errors name is what the policy allows."""
    assert actions([Use.BATCH], PLACE) == set(BATCH_ACTIONS)


@pytest.mark.slow
def test_cfn_lint_finds_nothing_in_any_policy() -> None:
    """All of them as managed policies of one template: cfn-lint knows AWS's actions, ARNs and grammar."""
    resources = {
        f"Policy{use.title()}": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"PolicyDocument": policy([use], PLACE)},
        }
        for use in Use
    }
    template = json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources})
    # ARNs are spelled out here; a template of ours would say AWS::Partition.
    assert [] == [str(match) for match in lint(template, regions=["eu-central-1"]) if match.rule.id != "I3042"]
