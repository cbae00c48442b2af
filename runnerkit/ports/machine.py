"""What a machine boots from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runnerkit.names import Secret


class Boots(Protocol):
    """Renders what the machine boots from; :mod:`runnerkit.boot` is the one in use."""

    def __call__(self, machine: Machine, jit_config: Secret) -> bytes:
        """User data as sent to EC2.

        Raises:
            LaunchRejected: It would be larger than EC2 takes.
        """


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine must know about itself. Durations are seconds; epochs are absolute.

    ``imds_for_job`` opens the metadata service to the job's user (``profile=``), ``baked`` says that runner and agent
    are in the image already, ``facts`` go to ``/run/runnerkit/machine.json`` for reports. ``prices`` (dollars an hour
    by "TYPE ZONE MARKET") are those of the offerings that the launch may choose from; the machine knows its own.
    """

    name: str
    repo: str
    labels: tuple[str, ...]
    online_within: int
    idle: int
    life: int
    baked: bool
    imds_for_job: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)
    runner_url: str = ""
    runner_sha256: str = ""
    startup: str = ""
