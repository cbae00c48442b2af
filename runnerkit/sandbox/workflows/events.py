"""The events that GitHub knows, what they may be filtered by, and their activity types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Kind:
    """An event: the keys below it, and its types (none listed where any name is allowed)."""

    keys: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


def _typed(types: str, *keys: str) -> Kind:
    return Kind(("types", *keys), tuple(types.split()))


_REFS = ("branches", "branches-ignore")
_PATHS = ("paths", "paths-ignore")
_PULL_TYPES = """assigned auto_merge_disabled auto_merge_enabled closed converted_to_draft demilestoned dequeued edited
    enqueued labeled locked milestoned opened ready_for_review reopened review_request_removed review_requested stacked
    synchronize unassigned unlabeled unlocked"""
_ISSUE_TYPES = """assigned closed deleted demilestoned edited field_added field_removed labeled locked milestoned opened
    pinned reopened transferred typed unassigned unlabeled unlocked unpinned untyped"""
_DISCUSSION_TYPES = """answered category_changed created deleted edited labeled locked pinned transferred unanswered
    unlabeled unlocked unpinned"""

EVENTS: Mapping[str, Kind] = {
    "branch_protection_rule": _typed("created edited deleted"),
    "check_run": _typed("created rerequested completed requested_action"),
    "check_suite": _typed("completed"),
    "create": Kind(),
    "delete": Kind(),
    "deployment": Kind(),
    "deployment_status": Kind(),
    "discussion": _typed(_DISCUSSION_TYPES),
    "discussion_comment": _typed("created edited deleted"),
    "fork": Kind(),
    "gollum": Kind(),
    "image_version": _typed("created ready deleted", "names", "versions"),
    "issue_comment": _typed("created edited deleted"),
    "issues": _typed(_ISSUE_TYPES),
    "label": _typed("created edited deleted"),
    "merge_group": _typed("checks_requested", *_REFS),
    "milestone": _typed("created closed opened edited deleted"),
    "page_build": Kind(),
    "project": _typed("created closed reopened edited deleted"),
    "project_card": _typed("created moved converted edited deleted"),
    "project_column": _typed("created updated moved deleted"),
    "public": Kind(),
    "pull_request": _typed(_PULL_TYPES, *_REFS, *_PATHS),
    "pull_request_comment": _typed("created edited deleted"),
    "pull_request_review": _typed("submitted edited dismissed"),
    "pull_request_review_comment": _typed("created edited deleted"),
    "pull_request_target": _typed(_PULL_TYPES, *_REFS, *_PATHS),
    "push": Kind((*_REFS, "tags", "tags-ignore", *_PATHS)),
    "registry_package": _typed("published updated"),
    "release": _typed("published unpublished created edited deleted prereleased released"),
    "repository_dispatch": _typed(""),
    "schedule": Kind(("cron", "timezone")),
    "status": Kind(),
    "watch": _typed("started"),
    "workflow_call": Kind(("inputs", "secrets", "outputs")),
    "workflow_dispatch": Kind(("inputs",)),
    "workflow_run": _typed("requested completed in_progress", "workflows", *_REFS),
}
