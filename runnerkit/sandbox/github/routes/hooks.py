"""Webhooks of repositories and organisations."""

from typing import Any

from runnerkit.sandbox.github import events
from runnerkit.sandbox.github.access import Needs
from runnerkit.sandbox.github.exchange import Answer, Exchange, permission, route
from runnerkit.sandbox.github.git import reading
from runnerkit.sandbox.github.hooks import rules
from runnerkit.sandbox.github.hooks.sender import Sender
from runnerkit.sandbox.github.records import Delivery, Hook
from runnerkit.sandbox.github.refusals import invalid
from runnerkit.sandbox.github.views import hooks

REPO, ORG = "/repos/{owner}/{repo}/hooks", "/orgs/{org}/hooks"
REPO_HOOK, ORG_HOOK = f"{REPO}/{{hook_id}}", f"{ORG}/{{hook_id}}"
REPO_READ, REPO_WRITE = permission("repository_hooks", "read"), permission("repository_hooks", "write")
ORG_READ = permission("organization_hooks", "read", scope="admin:org_hook")
ORG_WRITE = permission("organization_hooks", "write", scope="admin:org_hook")
APP_HOOK, BY_APP = "/app/hook/deliveries", Needs(jwt=True)
ZEN = "Keep it logically awesome."


def _hook(at: Exchange) -> Hook:
    if at.app is not None:
        return rules.hook_of_app(at.state, at.app.id)
    return rules.find_hook(at.state, at.level, at.path["hook_id"])


def _delivery(at: Exchange) -> Delivery:
    return rules.find_delivery(at.state, _hook(at), at.path["delivery_id"])


def _sender(at: Exchange) -> Sender:
    if at.sender is None:
        raise invalid("This world delivers no webhooks.")
    return at.sender


@route("GET", REPO, needs=REPO_READ)
@route("GET", ORG, needs=ORG_READ)
def list_hooks(at: Exchange) -> Answer:
    """List the hooks."""
    found = [each for each in at.state.hooks.values() if each.level == at.level]
    return at.page(found, lambda each: hooks.hook(at.state, at.links, each))


@route("POST", REPO, needs=REPO_WRITE)
@route("POST", ORG, needs=ORG_WRITE)
def create_hook(at: Exchange) -> Answer:
    """Make a hook and ping it."""
    said: dict[str, Any] = at.body or {}
    config: dict[str, Any] = said.get("config") or {}
    if said.get("name", "web") != "web":
        raise invalid("Validation Failed: a hook's name is web")
    hook = rules.add_hook(
        at.state,
        at.level,
        config.get("url", ""),
        said.get("events", ["push"]),
        secret=config.get("secret", ""),
        content_type=config.get("content_type", "form"),
        active=said.get("active", True),
    )
    _ping(at, hook)
    body = hooks.hook(at.state, at.links, hook)
    return Answer(201, body, {"Location": body["url"]})


def _ping(at: Exchange, hook: Hook) -> None:
    payload = {"zen": ZEN, "hook_id": hook.id, "hook": hooks.hook(at.state, events.links(at.state), hook)}
    if hook.level.startswith("repos/"):
        payload |= events.common(at.state, at.full_name, at.login)
    _sender(at).tell(hook, "ping", None, payload)


@route("GET", REPO_HOOK, needs=REPO_READ)
@route("GET", ORG_HOOK, needs=ORG_READ)
def get_hook(at: Exchange) -> Answer:
    """Show a hook."""
    return Answer(200, hooks.hook(at.state, at.links, _hook(at)))


@route("PATCH", REPO_HOOK, needs=REPO_WRITE)
@route("PATCH", ORG_HOOK, needs=ORG_WRITE)
def edit_hook(at: Exchange) -> Answer:
    """Change a hook."""
    hook = _hook(at)
    rules.edit_hook(hook, at.body or {})
    return Answer(200, hooks.hook(at.state, at.links, hook))


@route("DELETE", REPO_HOOK, needs=REPO_WRITE)
@route("DELETE", ORG_HOOK, needs=ORG_WRITE)
def delete_hook(at: Exchange) -> Answer:
    """Delete a hook; what is on its way to it is dropped."""
    del at.state.hooks[_hook(at).id]
    return Answer(204)


@route("POST", f"{REPO_HOOK}/pings", needs=REPO_READ)
@route("POST", f"{ORG_HOOK}/pings", needs=ORG_READ)
def ping_hook(at: Exchange) -> Answer:
    """Ping a hook."""
    _ping(at, _hook(at))
    return Answer(204)


@route("POST", f"{REPO_HOOK}/tests", needs=REPO_READ)
def test_hook(at: Exchange) -> Answer:
    """Tell a hook that wants pushes of the latest one."""
    hook, ref = _hook(at), events.BRANCH + at.repository.default_branch
    tip = reading.find_commit(at.state.git, at.full_name, ref)
    if tip is not None and {"*", "push"} & set(hook.events):
        before = tip.parents[0] if tip.parents else events.NOTHING
        happening = events.pushed(at.state, at.full_name, ref, before, tip.sha, at.login)
        _sender(at).tell(hook, "push", None, happening.payload)
    return Answer(204)


@route("GET", "/app/hook/config", needs=BY_APP, budgets=())
def get_config(at: Exchange) -> Answer:
    """Show where the calling App's hook is sent."""
    return Answer(200, hooks.config(_hook(at)))


@route("PATCH", "/app/hook/config", needs=BY_APP, budgets=())
def edit_config(at: Exchange) -> Answer:
    """Change where the calling App's hook is sent."""
    hook = _hook(at)
    rules.edit_hook(hook, {"config": at.body or {}})
    return Answer(200, hooks.config(hook))


@route("GET", f"{REPO_HOOK}/deliveries", needs=REPO_READ)
@route("GET", f"{ORG_HOOK}/deliveries", needs=ORG_READ)
@route("GET", APP_HOOK, needs=BY_APP, budgets=())
def list_deliveries(at: Exchange) -> Answer:
    """List deliveries, newest first; the next page is named by a cursor."""
    found = rules.deliveries_of(at.state, _hook(at))
    wanted = at.query.get("status")
    if wanted is not None:
        found = [each for each in found if (wanted == "success") == (200 <= each.status < 400)]  # noqa: PLR2004 - HTTP
    size = min(max(int(at.query.get("per_page", 30)), 1), 100)
    first = at.query.get("cursor", "")
    found = [each for each in found if not first.isdigit() or each.id <= int(first)]
    link = f'<{at.url}?per_page={size}&cursor={found[size].id}>; rel="next"' if len(found) > size else ""
    shown = [hooks.delivery_item(each) for each in found[:size]]
    return Answer(200, shown, {"Link": link} if link else {})


@route("GET", f"{REPO_HOOK}/deliveries/{{delivery_id}}", needs=REPO_READ)
@route("GET", f"{ORG_HOOK}/deliveries/{{delivery_id}}", needs=ORG_READ)
@route("GET", f"{APP_HOOK}/{{delivery_id}}", needs=BY_APP, budgets=())
def get_delivery(at: Exchange) -> Answer:
    """Show a delivery with its payload and the answer to it."""
    return Answer(200, hooks.delivery(at.state, _delivery(at)))


@route("POST", f"{REPO_HOOK}/deliveries/{{delivery_id}}/attempts", needs=REPO_WRITE)
@route("POST", f"{ORG_HOOK}/deliveries/{{delivery_id}}/attempts", needs=ORG_WRITE)
@route("POST", f"{APP_HOOK}/{{delivery_id}}/attempts", needs=BY_APP, budgets=())
def redeliver(at: Exchange) -> Answer:
    """Deliver again, under the same GUID."""
    _sender(at).again(_delivery(at))
    return Answer(202, {})
