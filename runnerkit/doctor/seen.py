"""Everything that checks judge: the configuration in force, and each look by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runnerkit.doctor.words import Look, blind

if TYPE_CHECKING:
    from datetime import datetime

    from runnerkit.config import Config
    from runnerkit.doctor.facts_aws import (
        Carrier,
        GroupSeen,
        Identity,
        ImageSeen,
        Leftovers,
        Limit,
        Offer,
        Region,
        Right,
        SubnetSeen,
        Wished,
    )
    from runnerkit.doctor.facts_github import (
        EnvironmentSeen,
        Power,
        Rate,
        RepositorySeen,
        RunnerGroup,
        SettingsSeen,
        TokenSeen,
        Webhooks,
        WorkflowSeen,
    )
    from runnerkit.doctor.facts_here import Configuration, JournalSeen, Remote, Skew, Tool
    from runnerkit.model import Release

# A frozen value, so that one may stand for all.
UNSEEN: Look[Any] = blind("it was not looked at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Everything that checks judge: the configuration in force, and every look by its name."""

    now: datetime
    config: Config
    repos: tuple[str, ...] = ()
    wished: tuple[Wished, ...] = ()
    identity: Look[Identity] = UNSEEN
    regions: Look[tuple[Region, ...]] = UNSEEN
    rights: Look[tuple[Right, ...]] = UNSEEN
    limits: Look[tuple[Limit, ...]] = UNSEEN
    spot_role: Look[bool] = UNSEEN
    offers: Look[tuple[Offer, ...]] = UNSEEN
    leftovers: Look[Leftovers] = UNSEEN
    carriers: Look[tuple[Carrier, ...]] = UNSEEN
    subnets: Look[tuple[SubnetSeen, ...]] = UNSEEN
    groups: Look[tuple[GroupSeen, ...]] = UNSEEN
    images: Look[tuple[ImageSeen, ...]] = UNSEEN
    releases: Look[tuple[Release, ...]] = UNSEEN
    token: Look[TokenSeen] = UNSEEN
    powers: Look[tuple[Power, ...]] = UNSEEN
    rate: Look[Rate] = UNSEEN
    repositories: Look[tuple[RepositorySeen, ...]] = UNSEEN
    more: Look[int] = UNSEEN
    runner_group: Look[RunnerGroup] = UNSEEN
    webhooks: Look[Webhooks] = UNSEEN
    environments: Look[tuple[EnvironmentSeen, ...]] = UNSEEN
    workflows: Look[tuple[WorkflowSeen, ...]] = UNSEEN
    settings: Look[tuple[SettingsSeen, ...]] = UNSEEN
    remote: Look[Remote] = UNSEEN
    journal: Look[JournalSeen] = UNSEEN
    tools: Look[tuple[Tool, ...]] = UNSEEN
    aws_skew: Look[Skew] = UNSEEN
    github_skew: Look[Skew] = UNSEEN
    configuration: Look[Configuration] = UNSEEN
