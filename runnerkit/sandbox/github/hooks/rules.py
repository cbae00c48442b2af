"""Making, changing and finding webhooks."""

from typing import Any
from urllib.parse import urlsplit

from runnerkit.sandbox.github.records import Delivery, Hook, Installation
from runnerkit.sandbox.github.refusals import invalid, missing
from runnerkit.sandbox.github.state import State

HERE = frozenset({"127.0.0.1", "localhost"})
FORMATS = ("json", "form")
# What GitHub lets a repository's hook subscribe to, as far as anything here can happen, and "*" for everything.
EVENTS = frozenset(
    [
        "*",
        "check_run",
        "check_suite",
        "commit_comment",
        "create",
        "delete",
        "deployment",
        "deployment_protection_rule",
        "deployment_review",
        "deployment_status",
        "fork",
        "issue_comment",
        "issues",
        "label",
        "member",
        "merge_group",
        "meta",
        "milestone",
        "ping",
        "public",
        "pull_request",
        "pull_request_review",
        "pull_request_review_comment",
        "push",
        "registry_package",
        "release",
        "repository",
        "repository_dispatch",
        "star",
        "status",
        "watch",
        "workflow_dispatch",
        "workflow_job",
        "workflow_run",
    ]
)


def add_hook(
    state: State,
    level: str,
    url: str,
    events: list[str],
    *,
    secret: str = "",
    content_type: str = "form",
    active: bool = True,
) -> Hook:
    """Make a webhook of ``repos/owner/name`` or ``orgs/name``.

    Raises:
        Refused: 422 for an address beyond this machine, an unknown event or format, and a hook that is there already.
    """
    hook = Hook(0, level, check_url(url), _checked(events), state.now(), secret, _format(content_type), active)
    if any((each.level, each.url, each.events) == (level, url, hook.events) for each in state.hooks.values()):
        raise invalid("Validation Failed: Hook already exists on this repository")
    hook.id = state.next_id("hook")
    state.hooks[hook.id] = hook
    return hook


def edit_hook(hook: Hook, said: dict[str, Any]) -> None:
    """Change what is named; events are replaced, added or removed.

    Raises:
        Refused: as in `add_hook`.
    """
    config = said.get("config") or {}
    events = list(said.get("events", hook.events)) + list(said.get("add_events", []))
    chosen = _checked([each for each in dict.fromkeys(events) if each not in said.get("remove_events", [])])
    url, kind = (
        check_url(config["url"]) if "url" in config else hook.url,
        _format(config.get("content_type", hook.content_type)),
    )
    hook.url, hook.content_type, hook.events = url, kind, chosen
    hook.secret, hook.active = config.get("secret", hook.secret), said.get("active", hook.active)


def check_url(url: str) -> str:
    """Let an address of this machine through, unchanged.

    Raises:
        Refused: 422 for any other.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in HERE:
        raise invalid(
            f"Validation Failed: {url!r} is no address this sandbox delivers webhooks to: nothing leaves the machine."
            " Let the receiver listen on 127.0.0.1 and give the hook http://127.0.0.1:PORT/PATH."
        )
    return url


def _checked(events: list[str]) -> tuple[str, ...]:
    unknown = sorted(set(events) - EVENTS)
    if unknown or not events:
        raise invalid(f"Validation Failed: Hook events are not valid: {', '.join(unknown) or 'none is given'}")
    return tuple(dict.fromkeys(events))


def _format(content_type: str) -> str:
    if content_type not in FORMATS:
        raise invalid(f"Validation Failed: Config content_type must be json or form, not {content_type!r}")
    return content_type


def level_of_app(app_id: int) -> str:
    """Give the level of an App's one hook."""
    return f"apps/{app_id}"


def reaches(state: State, installation: Installation, repository: str) -> bool:
    """Tell whether an installation was given a repository."""
    found = state.repository(repository)
    if installation.account.lower() != found.owner.lower():
        return False
    return installation.repositories is None or found.full_name in installation.repositories


def hook_of_app(state: State, app_id: int) -> Hook:
    """Find the hook of an App.

    Raises:
        Refused: 404 when the App has none.
    """
    found = next((each for each in state.hooks.values() if each.level == level_of_app(app_id)), None)
    if found is None:
        raise missing()
    return found


def find_hook(state: State, level: str, hook_id: int) -> Hook:
    """Find a hook of a repository or an organisation."""
    found = state.hooks.get(hook_id)
    if found is None or found.level != level:
        raise missing()
    return found


def deliveries_of(state: State, hook: Hook) -> list[Delivery]:
    """List a hook's deliveries, newest first."""
    return sorted((each for each in state.deliveries.values() if each.hook_id == hook.id), key=lambda each: -each.id)


def find_delivery(state: State, hook: Hook, delivery_id: int) -> Delivery:
    """Find a delivery of a hook."""
    found = state.deliveries.get(delivery_id)
    if found is None or found.hook_id != hook.id:
        raise missing()
    return found


def hooks_for(state: State, repository: str, event: str) -> list[Hook]:
    """List the active hooks that want an event of a repository: its own, its organisation's, those of Apps on it."""
    levels = {f"repos/{repository}", f"orgs/{state.repository(repository).owner}"}
    levels |= {level_of_app(each.app_id) for each in state.installations.values() if reaches(state, each, repository)}
    mine = [each for each in state.hooks.values() if each.active and each.level in levels]
    return [each for each in mine if {"*", event} & set(each.events)]
