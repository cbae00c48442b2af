"""What instances need of moto's other services: instance profiles, parameters and the event bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from runnerkit.sandbox.ec2.model import Params


class Beside:
    """What there is beside EC2 for one account in one region."""

    def __init__(self, account: str, region: str) -> None:
        self._account = account
        self._region = region

    def profile(self, wanted: Params) -> tuple[str, str] | None:
        """ARN and id of the instance profile with this ``Name`` or ``Arn``."""
        from moto.iam.models import iam_backends

        for found in iam_backends[self._account]["aws"].instance_profiles.values():
            if wanted.get("Arn") == found.arn or ("Arn" not in wanted and wanted.get("Name") == found.name):
                return str(found.arn), str(found.id)
        return None

    def parameter(self, name: str) -> str | None:
        """The value of a parameter of the SSM parameter store."""
        from moto.ssm.models import ssm_backends

        found = ssm_backends[self._account][self._region].get_parameter(name)
        return str(found.value) if found else None

    def take_parameter(self, name: str) -> str | None:
        """The value of a parameter, which is then gone; None when there is none."""
        from moto.ssm.models import ssm_backends

        store = ssm_backends[self._account][self._region]
        found = store.get_parameter(name)
        if found is None:
            return None
        store.delete_parameter(name)
        return str(found.decrypt(found.value) if found.parameter_type == "SecureString" else found.value)

    def publish(self, detail_type: str, detail: str, instance_id: str, at: datetime) -> None:
        """Put an event of ``aws.ec2`` on the default event bus."""
        from moto.events.models import events_backends

        event = {
            "Source": "aws.ec2",
            "DetailType": detail_type,
            "Detail": detail,
            "Resources": [f"arn:aws:ec2:{self._region}:{self._account}:instance/{instance_id}"],
            "Time": at.timestamp(),
        }
        events = events_backends[self._account][self._region]
        for rule in events.describe_event_bus("default").rules.values():
            if rule.scheduled_expression:
                # moto would start what a schedule starts at every event as well.
                rule.send_to_targets = _deaf  # type: ignore[method-assign]  # only this one
        events.put_events([event])


def _deaf(*_: object, **__: object) -> None:
    """A rule that hears no events."""
