"""Whether an event starts a workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.workflows.globs import any_selected, selects

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.sandbox.workflows.model import Event, Workflow

_DEFAULT_TYPES = {
    "pull_request": ("opened", "synchronize", "reopened"),
    "pull_request_target": ("opened", "synchronize", "reopened"),
}
_NEVER = frozenset({"workflow_call"})


def triggered(workflow: Workflow, event: Event) -> bool:
    """Tell whether an event starts the workflow."""
    if event.name not in workflow.on or event.name in _NEVER or _deletes(event):
        return False
    if event.name == "schedule":
        return event.cron in workflow.crons
    filters = workflow.on[event.name]
    if not isinstance(filters, dict) or not _type_fits(filters, event):
        return False
    return _ref_fits(filters, event) and _workflow_fits(filters, event) and _paths_fit(filters, event)


def _deletes(event: Event) -> bool:
    """Pushing a deletion starts nothing; it is told by a commit of zeros."""
    return event.name == "push" and set(event.sha) == {"0"}


def _type_fits(filters: Mapping[str, Any], event: Event) -> bool:
    types = _listed(filters.get("types")) or _DEFAULT_TYPES.get(event.name, ())
    return event.action is None or not types or event.action in types


def _ref_fits(filters: Mapping[str, Any], event: Event) -> bool:
    if event.name == "push":
        return _push_fits(filters, event.ref)
    if event.name == "workflow_run":
        return _named(filters, "branches", event.head_ref.removeprefix("refs/heads/"))
    if event.name.startswith("pull_request") or event.name == "merge_group":
        return _named(filters, "branches", event.base_ref.removeprefix("refs/heads/"))
    return True


def _push_fits(filters: Mapping[str, Any], ref: str) -> bool:
    """A filter for branches only leaves tags out, and the other way round."""
    kind, other = ("tags", "branches") if ref.startswith("refs/tags/") else ("branches", "tags")
    if not _has(filters, kind):
        return not _has(filters, other)
    return _named(filters, kind, ref.split("/", 2)[-1])


def _named(filters: Mapping[str, Any], kind: str, name: str) -> bool:
    wanted, ignored = _listed(filters.get(kind)), _listed(filters.get(f"{kind}-ignore"))
    if wanted:
        return selects(wanted, name)
    return not selects(ignored, name)


def _has(filters: Mapping[str, Any], kind: str) -> bool:
    return bool(filters.get(kind) or filters.get(f"{kind}-ignore"))


def _workflow_fits(filters: Mapping[str, Any], event: Event) -> bool:
    wanted = _listed(filters.get("workflows"))
    return event.name != "workflow_run" or selects(wanted, event.workflow)


def _paths_fit(filters: Mapping[str, Any], event: Event) -> bool:
    if event.changed is None or event.ref.startswith("refs/tags/"):
        return True
    wanted, ignored = _listed(filters.get("paths")), _listed(filters.get("paths-ignore"))
    if wanted:
        return any_selected(wanted, event.changed)
    return not ignored or not all(selects(ignored, each) for each in event.changed)


def _listed(value: Any) -> Sequence[str]:  # noqa: ANN401 - as the file has it
    if value is None:
        return ()
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]
