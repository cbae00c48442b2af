"""The dead-man's switch: log group, function, schedule, and the schedule's permission to start the function."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError

from runnerkit.accounts.handler import Ways, differs, listed, mapped
from runnerkit.accounts.trouble import unless_absent
from runnerkit.ec2.answers import code_of, message_of
from runnerkit.setup.words import Found

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runnerkit.setup.words import Resource

_SETTINGS = ("Description", "Runtime", "Handler", "Role", "Timeout", "MemorySize", "Environment")
_STATEMENT = "schedule"
# A role is not known everywhere at once: some seconds as a rule.
MOST_TRIES, PAUSE = 20, 3.0


class _Home:
    def __init__(self, ways: Ways) -> None:
        self._ways = ways

    def users(self, resource: Resource, found: Found, ours: Sequence[str]) -> list[str]:
        """Nobody but our schedule."""
        del resource, found, ours
        return []

    def _lambda(self, resource: Resource) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        return self._ways.of("lambda", resource.region)


class Logs(_Home):
    """Log groups."""

    service = "logs"

    def _logs(self, resource: Resource) -> Any:  # noqa: ANN401 - as above
        return self._ways.of("logs", resource.region)

    def look(self, resource: Resource) -> Found | None:
        """DescribeLogGroups, by the beginning of the name."""
        logs = self._logs(resource)
        groups = logs.describe_log_groups(logGroupNamePrefix=resource.name)["logGroups"]
        for group in groups:
            if group["logGroupName"] == resource.name:
                arn = str(group["arn"]).removesuffix(":*")
                tags = logs.list_tags_for_resource(resourceArn=arn)["tags"]
                told = {"LogGroupName": resource.name, "RetentionInDays": group.get("retentionInDays")}
                return Found(told, dict(tags), id=arn)
        return None

    def make(self, resource: Resource) -> None:
        """CreateLogGroup with its tags, then how long it keeps."""
        self._logs(resource).create_log_group(logGroupName=resource.name, tags=dict(resource.tags))
        self._keep(resource)

    def mend(self, resource: Resource, found: Found) -> None:
        """How long it keeps."""
        if differs(resource, found, "RetentionInDays"):
            self._keep(resource)
        if dict(resource.tags).items() - dict(found.tags).items():
            self._logs(resource).tag_resource(resourceArn=found.id, tags=dict(resource.tags))

    def remove(self, resource: Resource, found: Found) -> None:
        """DeleteLogGroup."""
        del found
        with unless_absent:
            self._logs(resource).delete_log_group(logGroupName=resource.name)

    def _keep(self, resource: Resource) -> None:
        days = resource.properties["RetentionInDays"]
        self._logs(resource).put_retention_policy(logGroupName=resource.name, retentionInDays=days)


class Functions(_Home):
    """Lambda functions of one small file."""

    service = "lambda"

    def look(self, resource: Resource) -> Found | None:
        """GetFunction. The code is compared by its digest."""
        with unless_absent:
            answer = self._lambda(resource).get_function(FunctionName=resource.name)
            is_told = answer["Configuration"]
            code = resource.properties["Code"]
            same = is_told.get("CodeSha256") == _digest(_packed(code["ZipFile"]))
            told = {key: is_told.get(key) for key in (*_SETTINGS, "FunctionName", "Architectures")}
            told["Environment"] = {"Variables": (is_told.get("Environment") or {}).get("Variables", {})}
            told["Code"] = code if same else {"ZipFile": "another code"}
            return Found(told, dict(answer.get("Tags", {})), id=is_told["FunctionArn"])
        return None

    def make(self, resource: Resource) -> None:
        """CreateFunction with its tags; again while Lambda does not know the role yet."""
        told = {**resource.properties, "Code": {"ZipFile": _packed(resource.properties["Code"]["ZipFile"])}}
        self._patiently(lambda: self._lambda(resource).create_function(**told, Tags=dict(resource.tags)))

    def mend(self, resource: Resource, found: Found) -> None:
        """UpdateFunctionConfiguration, then UpdateFunctionCode: Lambda takes one change at a time."""
        client, name, told = self._lambda(resource), resource.name, resource.properties
        if differs(resource, found, *_SETTINGS):
            settings = {key: told[key] for key in _SETTINGS}
            self._patiently(lambda: client.update_function_configuration(FunctionName=name, **settings))
            self._settled(client, name)
        if differs(resource, found, "Code", "Architectures"):
            code = {"ZipFile": _packed(told["Code"]["ZipFile"]), "Architectures": told["Architectures"]}
            self._patiently(lambda: client.update_function_code(FunctionName=name, **code))
            self._settled(client, name)
        if dict(resource.tags).items() - dict(found.tags).items():
            client.tag_resource(Resource=found.id, Tags=dict(resource.tags))

    def remove(self, resource: Resource, found: Found) -> None:
        """DeleteFunction."""
        del found
        with unless_absent:
            self._lambda(resource).delete_function(FunctionName=resource.name)

    def _patiently(self, call: Callable[[], object]) -> None:
        for attempt in range(MOST_TRIES):
            try:
                call()
            except ClientError as fault:
                unknown = code_of(fault) == "InvalidParameterValueException" and "assumed" in message_of(fault)
                if not unknown or attempt == MOST_TRIES - 1:
                    raise
                self._ways.clock.wait(PAUSE)
            else:
                return

    @staticmethod
    def _settled(client: Any, name: str) -> None:  # noqa: ANN401 - as above
        with suppress(WaiterError):
            client.get_waiter("function_updated_v2").wait(FunctionName=name)


class Rules(_Home):
    """Rules of EventBridge that follow a clock."""

    service = "events"

    def _events(self, resource: Resource) -> Any:  # noqa: ANN401 - as above
        return self._ways.of("events", resource.region)

    def look(self, resource: Resource) -> Found | None:
        """DescribeRule, its targets and tags."""
        events = self._events(resource)
        with unless_absent:
            rule = events.describe_rule(Name=resource.name)
            targets = events.list_targets_by_rule(Rule=resource.name)["Targets"]
            tags = events.list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"]
            told = {key: rule.get(key) for key in ("Name", "Description", "ScheduleExpression", "State")}
            told["Targets"] = [{"Id": each["Id"], "Arn": each["Arn"]} for each in targets]
            return Found(told, mapped(tags), id=rule["Arn"])
        return None

    def make(self, resource: Resource) -> None:
        """PutRule with its tags, then its target. PutRule changes a rule that is there, so it was looked for before."""
        self._put(resource, Tags=listed(resource.tags))
        self._aim(resource)

    def mend(self, resource: Resource, found: Found) -> None:
        """Rule, targets, tags."""
        events = self._events(resource)
        if differs(resource, found, "Description", "ScheduleExpression", "State"):
            self._put(resource)
        if differs(resource, found, "Targets"):
            wanted = {each["Id"] for each in resource.properties["Targets"]}
            strange = [each["Id"] for each in found.properties["Targets"] if each["Id"] not in wanted]
            if strange:
                events.remove_targets(Rule=resource.name, Ids=strange)
            self._aim(resource)
        if dict(resource.tags).items() - dict(found.tags).items():
            events.tag_resource(ResourceARN=found.id, Tags=listed(resource.tags))

    def remove(self, resource: Resource, found: Found) -> None:
        """DeleteRule, after its targets."""
        events = self._events(resource)
        ids = [each["Id"] for each in found.properties["Targets"]]
        with unless_absent:
            if ids:
                events.remove_targets(Rule=resource.name, Ids=ids)
            events.delete_rule(Name=resource.name)

    def _put(self, resource: Resource, **more: Any) -> None:  # noqa: ANN401 - tags
        told = resource.properties
        settings = {key: told[key] for key in ("Name", "Description", "ScheduleExpression", "State")}
        self._events(resource).put_rule(**settings, **more)

    def _aim(self, resource: Resource) -> None:
        self._events(resource).put_targets(Rule=resource.name, Targets=resource.properties["Targets"])


class Permissions(_Home):
    """What a function's own policy lets others do. It has no tags: it belongs to the function."""

    service = "lambda"

    def look(self, resource: Resource) -> Found | None:
        """GetPolicy, and in it the statement for our schedule."""
        client = self._lambda(resource)
        with unless_absent:
            policy = json.loads(client.get_policy(FunctionName=resource.name)["Policy"])
            mine = [each for each in policy["Statement"] if each.get("Sid") == _STATEMENT]
            if not mine:
                return None
            tags = client.get_function(FunctionName=resource.name).get("Tags", {})
            return Found({"FunctionName": resource.name, **_permission(mine[0])}, dict(tags), id=_STATEMENT)
        return None

    def make(self, resource: Resource) -> None:
        """AddPermission."""
        self._lambda(resource).add_permission(StatementId=_STATEMENT, **resource.properties)

    def mend(self, resource: Resource, found: Found) -> None:
        """Taken away and given anew."""
        self.remove(resource, found)
        self.make(resource)

    def remove(self, resource: Resource, found: Found) -> None:
        """RemovePermission."""
        with unless_absent:
            self._lambda(resource).remove_permission(FunctionName=resource.name, StatementId=found.id)


def _permission(statement: dict[str, Any]) -> dict[str, Any]:
    principal = statement.get("Principal", {})
    conditions = [each.get("AWS:SourceArn") for each in statement.get("Condition", {}).values()]
    return {
        "Action": statement.get("Action"),
        "Principal": principal.get("Service") if isinstance(principal, dict) else principal,
        "SourceArn": next((arn for arn in conditions if arn), None),
    }


def _packed(code: str) -> bytes:
    """The file in a zip that is the same bytes each time."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        entry = zipfile.ZipInfo("index.py", date_time=(2020, 1, 1, 0, 0, 0))
        entry.external_attr = 0o644 << 16
        packed.writestr(entry, code)
    return held.getvalue()


def _digest(packed: bytes) -> str:
    return base64.b64encode(hashlib.sha256(packed).digest()).decode()
