"""The CloudFormation template: what cfn-lint says, who may do what, and that its numbers fit each other."""

from __future__ import annotations

import fnmatch
import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from cfnlint.api import lint_file
from cfnlint.decode import decode

from runnerkit.aws import messages
from runnerkit.aws.controller import LEAST_SECONDS, RESERVE_SECONDS
from runnerkit.config import load
from runnerkit.journal import KEPT
from runnerkit.journals.s3 import s3_journal
from runnerkit.permissions import Place, Use, policy
from runnerkit.settings import AwsSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PATH = ROOT / "examples/controller-on-lambda/template.yaml"
PSEUDO = {"AWS::AccountId", "AWS::NoValue", "AWS::Partition", "AWS::Region", "AWS::StackName"}
# By nature of these actions nothing narrower is possible.
UNLIMITED = {"Ec2Read", "SsmList"}


@cache
def template() -> dict[str, Any]:
    """The template as cfn-lint reads it."""
    read, problems = decode(str(PATH))
    assert ([], True) == (problems, isinstance(read, dict))
    return json.loads(json.dumps(read))  # type: ignore[no-any-return]  # JSON of a table


def resources(kind: str) -> dict[str, dict[str, Any]]:
    found = template()["Resources"].items()
    return {name: each.get("Properties", {}) for name, each in found if each["Type"] == kind}


def walk(value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON
    """Every key and value, at any depth."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield key, below
            yield from walk(below)
    elif isinstance(value, list):
        for below in value:
            yield from walk(below)


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - JSON
    return value if isinstance(value, list) else [value]


def statements() -> list[dict[str, Any]]:
    """Those of the function's policy, optional ones among them."""
    (policy,) = resources("AWS::IAM::RolePolicy").values()
    found = policy["PolicyDocument"]["Statement"]
    return [each["Fn::If"][1] if "Fn::If" in each else each for each in found]


def number(default_of: str) -> int:
    return int(template()["Parameters"][default_of]["MaxValue"])


def one(kind: str) -> dict[str, Any]:
    (found,) = resources(kind).values()
    return found


@pytest.mark.slow
def test_cfn_lint_finds_nothing() -> None:
    """Neither errors nor warnings nor hints."""
    assert [] == [str(match) for match in lint_file(PATH)]


def test_every_reference_has_a_target_and_every_parameter_a_use() -> None:
    """Names of parameters, resources, conditions, and what Sub and GetAtt take out of them."""
    read = template()
    known = {*read["Parameters"], *read["Resources"], *PSEUDO}
    used = {value for key, value in walk(read) if key == "Ref"}
    used |= {value[0] for key, value in walk(read) if key == "Fn::GetAtt"}
    subs = [value for key, value in walk(read) if key == "Fn::Sub"]
    used |= {name.partition(".")[0] for text in subs for name in re.findall(r"\$\{([^}]+)\}", text)}
    assert set() == used - known
    assert set() == set(read["Parameters"]) - used
    conditions = {value[0] for key, value in walk(read) if key == "Fn::If"}
    assert set(read["Conditions"]) == conditions


def test_the_queue_takes_messages_from_our_rules_alone() -> None:
    """Both rules, of this account; and from the gateway, by its role. Nobody else is allowed anything."""
    policy = one("AWS::SQS::QueuePolicy")["PolicyDocument"]["Statement"]
    (statement,) = policy
    assert {"Service": "events.amazonaws.com"} == statement["Principal"]
    assert "sqs:SendMessage" == statement["Action"]
    sources = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert set(resources("AWS::Events::Rule")) == {source["Fn::GetAtt"][0] for source in sources}
    for rule in resources("AWS::Events::Rule").values():
        assert [{"Fn::GetAtt": ["Queue", "Arn"]}] == [target["Arn"] for target in rule["Targets"]]
    (gateway,) = resources("AWS::IAM::Role")["ApiRole"]["Policies"]
    (may,) = gateway["PolicyDocument"]["Statement"]
    assert ("sqs:SendMessage", {"Fn::GetAtt": ["Queue", "Arn"]}) == (may["Action"], may["Resource"])


def test_nobody_is_allowed_everything() -> None:
    """No wildcard principal, no wildcard action, and a wildcard resource only where AWS knows no other."""
    for _, document in walk(template()):
        if isinstance(document, dict) and "Effect" in document and document["Effect"] == "Allow":
            assert "*" not in json.dumps(document.get("Principal", "")), document
            assert all(re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action) for action in listed(document["Action"])), document
    for statement in statements():
        unlimited = "*" in listed(statement["Resource"])
        assert (statement["Sid"] in UNLIMITED) == unlimited, statement["Sid"]


def test_the_function_may_do_what_the_adapters_call_and_no_more() -> None:
    """Its policy is the one of `runnerkit.permissions`, with CloudFormation's words for what it will know."""
    place = Place(
        account="${AWS::AccountId}",
        partition="${AWS::Partition}",
        owner="${Owner}",
        roles=("${MachineRoleArn}",),
        journal="${Journal}/${Owner}",
        log="${Log.Arn}",
        queue="${Queue.Arn}",
        parameters="${ParametersPath}",
        key="${ParametersKeyArn}",
    )
    uses = [Use.LAMBDA, Use.RUNNERS, Use.BURST, Use.JOURNAL]
    wanted = {each["Sid"]: _plain(each) for each in policy(uses, place)["Statement"]}
    # What is in the function's own region and bucket is named more narrowly than a policy for anywhere can.
    journal = "arn:${AWS::Partition}:s3:::${Journal}"
    wanted["JournalObjects"]["Resource"] = [f"${{Journal.Arn}}{name.removeprefix(journal)}"
                                            for name in wanted["JournalObjects"]["Resource"]]  # fmt: skip
    wanted["JournalList"]["Resource"] = ["${Journal.Arn}"]
    wanted["Secrets"]["Resource"] = [name.replace(":ssm:*:", ":ssm:${AWS::Region}:")
                                     for name in wanted["Secrets"]["Resource"]]  # fmt: skip
    assert wanted == {each["Sid"]: _plain(each) for each in statements()}


def _plain(statement: dict[str, Any]) -> dict[str, Any]:
    """A statement in which every list is one, sorted, and every reference is written as ``${...}``."""
    kept = {key: sorted(map(_text, listed(value))) for key, value in statement.items() if key in {"Action", "Resource"}}
    conditions = {
        (test, key): sorted(map(_text, listed(values)))
        for test, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    }
    return {**kept, "Condition": conditions}


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return value
    if "Ref" in value:
        return f"${{{value['Ref']}}}"
    return str(value["Fn::Sub"]) if "Fn::Sub" in value else f"${{{'.'.join(value['Fn::GetAtt'])}}}"


def test_what_changes_machines_is_limited_to_ours() -> None:
    """Each action on EC2 that changes something asks for our tag, on what is made or on what is changed."""
    free = {"Ec2Read", "Ec2LaunchFrom", "Ec2GroupIn"}
    tags = {"aws:RequestTag/runnerkit:owner", "aws:ResourceTag/runnerkit:owner"}
    seen = set()
    for statement in statements():
        if any(action.startswith("ec2:") for action in listed(statement["Action"])):
            limits = statement.get("Condition", {}).get("StringEquals", {})
            assert (statement["Sid"] in free) == (not tags & set(limits)), statement["Sid"]
            seen.add(statement["Sid"])
    assert free < seen


def test_the_numbers_fit_each_other() -> None:
    """AWS: visibility at least six times the timeout. Ours: hints live longer than their tries, passes have time."""
    queues, function, mapping = (
        resources("AWS::SQS::Queue"),
        one("AWS::Lambda::Function"),
        one("AWS::Lambda::EventSourceMapping"),
    )
    visibility, tries = queues["Queue"]["VisibilityTimeout"], queues["Queue"]["RedrivePolicy"]["maxReceiveCount"]
    assert visibility >= 6 * number("Timeout")
    assert queues["Queue"]["MessageRetentionPeriod"] > visibility * tries
    assert queues["DeadQueue"]["MessageRetentionPeriod"] > queues["Queue"]["MessageRetentionPeriod"]
    assert template()["Parameters"]["Timeout"]["MinValue"] >= 3 * LEAST_SECONDS
    assert mapping["ScalingConfig"]["MaximumConcurrency"] == 2
    assert "ReservedConcurrentExecutions" not in function
    assert ["ReportBatchItemFailures"] == mapping["FunctionResponseTypes"]
    assert mapping["MaximumBatchingWindowInSeconds"] >= 1
    kept = one("AWS::S3::Bucket")["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"]
    assert kept > number("KeptDays")


def test_a_dead_s3_does_not_outlive_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a pass leaves for the journal is enough for each try to run out of time."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    made = s3_journal(("bucket", "p/"), AwsSettings(regions=("eu-west-1",)), kept=KEPT, told=lambda _: None)
    config = cast("Any", made._objects)._connect().meta.config
    assert config.retries["total_max_attempts"] * (config.connect_timeout + config.read_timeout) < RESERVE_SECONDS


def test_the_gateway_hands_over_what_the_function_reads() -> None:
    """Body and headers as attributes, under the names that the function asks for."""
    parameters = one("AWS::ApiGatewayV2::Integration")["RequestParameters"]
    assert "$request.body" == parameters["MessageBody"]
    attributes = json.loads(parameters["MessageAttributes"])
    record = {
        "messageAttributes": {name: {"stringValue": each["StringValue"]} for name, each in attributes.items()},
        "body": "{}",
    }
    call = messages.webhook(record)
    assert call is not None
    assert "${request.header.X-Hub-Signature-256}" == call.signature
    assert "${request.header.X-GitHub-Event}" == call.event
    assert "${request.header.Content-Type}" == call.content_type


def test_the_rules_ask_for_what_the_function_understands() -> None:
    """And for no more: each foreign event would be a message that is thrown away."""
    pattern = resources("AWS::Events::Rule")["Ec2Rule"]["EventPattern"]
    asked = {kind for each in pattern["$or"] for kind in each["detail-type"]}
    assert messages.EC2_EVENTS == asked
    assert "rate(1 minute)" == resources("AWS::Events::Rule")["ScheduleRule"]["ScheduleExpression"]


def test_the_functions_variables_are_settings(tmp_path: Path) -> None:
    """With any owner, repositories and bucket the configuration can be read."""
    variables = one("AWS::Lambda::Function")["Environment"]["Variables"]
    values = {"Owner": "ml", "Repositories": "acme/widgets,acme/*", "KeptDays": "35", "ParametersPath": "/x"}

    def said(value: Any) -> str:  # noqa: ANN401 - JSON
        if isinstance(value, dict):
            text = (value.get("Ref") and f"${{{value['Ref']}}}") or value["Fn::Sub"]
            return re.sub(r"\$\{(\w+)\}", lambda match: values.get(match[1], "a-bucket"), str(text))
        return str(value)

    environment = {name: said(value) for name, value in variables.items()}
    config = load(environment, tmp_path)[0]
    assert ("ml", ("acme/widgets", "acme/*")) == (config.aws.owner, config.github.repositories)
    assert ("a-bucket", "ml/") == config.journal.bucket


def test_the_parameters_are_not_where_machines_look() -> None:
    """What lies below /runnerkit/ is a machine's, and is swept."""
    path = template()["Parameters"]["ParametersPath"]
    assert not path["Default"].startswith("/runnerkit/")
    assert re.fullmatch(path["AllowedPattern"], path["Default"])
    machines = next(each["Resource"]["Fn::Sub"] for each in statements() if each["Sid"] == "SsmGive")
    assert not fnmatch.fnmatch(f"x:parameter{path['Default']}/github/token", f"*{machines.rpartition(':')[2]}")
