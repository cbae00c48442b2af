"""The CloudFormation template: what cfn-lint says of it, and that it says what the direct way makes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.api import ManualArgs, lint

from runnerkit.accounts import AwsAccount
from runnerkit.errors import ConfigError
from runnerkit.setup import differing
from runnerkit.setup.table import function_code, resources
from runnerkit.setup.template import filled, template
from runnerkit.setup.words import STACK, Kind, Wanted, Where
from runnerkit.testing import FakeClock
from tests.setup.conftest import EVERYTHING, REGION, SETTINGS

if TYPE_CHECKING:
    from tests.setup.conftest import Office

SMALL = Wanted(repos=("acme/widgets",), environments=("gpu",))


def test_cfn_lint_has_nothing_to_say() -> None:
    """Neither errors nor warnings, in a template with everything in it."""
    found = lint(json.dumps(template(EVERYTHING, (REGION,))), config=ManualArgs(regions=[REGION]))
    assert [] == [str(each) for each in found if each.rule.id[0] in "EW"]


def test_it_says_what_the_direct_way_makes(office: Office) -> None:
    """Filled in for the account, each resource is what the direct way has made; only who made it differs."""
    steps = office.make()
    where = office.setup().where()
    said = template(EVERYTHING, (REGION,))["Resources"]
    filled = _filled(said, {"AWS::AccountId": where.account, "AWS::Partition": "aws", "AWS::Region": REGION,
                            "VpcId": where.vpcs[REGION]})  # fmt: skip
    account = AwsAccount(SETTINGS, FakeClock(), office.clients)
    made = {step.resource.key: account.look(step.resource) for step in steps}
    assert set(filled) == set(made)
    for key, found in made.items():
        assert found is not None
        properties = filled[key]["Properties"]
        tags = {each["Key"]: each["Value"] for each in properties.pop("Tags", properties.pop("ResourceTags", []))}
        assert () == differing.differences(properties, found.properties), key
        assert {name for name in found.properties if found.properties[name] not in ([], None)} == set(properties), key
        if tags:
            assert {**tags, "runnerkit:setup": "aws"} == {**found.tags}, key
            assert STACK == tags["runnerkit:setup"]


def test_what_an_account_has_once_is_made_on_demand_and_survives_the_stack() -> None:
    """Provider and spot role: a parameter says whether they exist, and deleting the stack leaves them."""
    said = template(SMALL)
    for key in ("Provider", "SpotRole"):
        assert "Retain" == said["Resources"][key]["DeletionPolicy"]
        assert said["Resources"][key]["Condition"] in said["Conditions"]
    assert {"VpcId", "ProviderExists", "SpotRoleExists"} == set(said["Parameters"])


def test_variables_of_iam_are_not_taken_for_cloudformations() -> None:
    """``${aws:...}`` of a policy reaches IAM as it is; an owner cannot smuggle a reference in."""
    assert {"Fn::Sub": "a ${AWS::Region} ${!aws:userid}"} == filled("a ${AWS::Region} ${aws:userid}")
    assert "${aws:userid}" == filled("${aws:userid}")


def test_every_policy_fits_into_a_role_with_all_extras() -> None:
    """AWS takes 10,240 characters for a role's inline policies, and 64 for most names."""
    long = replace(EVERYTHING, owner="o" * 24, journal="b" * 63 + "/j", data="d" * 63 + "/dvc")
    where = Where("1" * 12, "aws", ("us-east-1", "us-west-2", "eu-west-1"))
    for each in (*resources(long, where), *resources(replace(SMALL, owner="o" * 64), where)):
        if each.kind in {Kind.ROLE, Kind.PROFILE, Kind.FUNCTION, Kind.RULE}:
            assert len(each.name) <= 64
    with pytest.raises(ConfigError, match="10240"):
        resources(
            replace(long, topics=tuple(f"arn:aws:sns:us-east-1:{1:012}:{'t' * 200}{n}" for n in range(60))), where
        )


def test_the_function_is_in_the_template_as_it_is_tested() -> None:
    """No placeholder of CloudFormation's is in it by chance."""
    code = template(SMALL)["Resources"]["DeadmanFunction"]["Properties"]["Code"]["ZipFile"]
    assert function_code() == code
    assert "${" not in code


def _filled(value: Any, values: dict[str, str]) -> Any:  # noqa: ANN401 - JSON
    """What CloudFormation makes of ``Fn::Sub``."""
    if isinstance(value, dict):
        if set(value) == {"Fn::If"}:
            return _filled(value["Fn::If"][2], values)
        if set(value) == {"Fn::Sub"}:
            text = re.sub(r"\$\{([A-Za-z:]+)\}", lambda found: values[found[1]], value["Fn::Sub"])
            return text.replace("${!", "${")
        return {key: _filled(inner, values) for key, inner in value.items()}
    return [_filled(inner, values) for inner in value] if isinstance(value, list) else value
