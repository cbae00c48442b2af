"""GitHub Apps: their installations and the tokens of these."""

from typing import Any

from runnerkit.sandbox.github import people
from runnerkit.sandbox.github.access import Needs
from runnerkit.sandbox.github.clock import stamp
from runnerkit.sandbox.github.engine import manifests
from runnerkit.sandbox.github.exchange import Answer, Exchange, route
from runnerkit.sandbox.github.hooks import rules
from runnerkit.sandbox.github.records import App, Installation, Repository
from runnerkit.sandbox.github.refusals import Reason, Refused, invalid, missing
from runnerkit.sandbox.github.tokens import INSTALLATION_TOKEN_LIFE, narrowed
from runnerkit.sandbox.github.views import accounts, hooks

BY_APP = Needs(jwt=True)
ZEN = "Keep it logically awesome."
INSTALLATION = "/app/installations/{installation_id}"


def _app(at: Exchange) -> App:
    if at.app is None:
        raise Refused(Reason.UNAUTHENTICATED, "A JSON web token could not be decoded")
    return at.app


@route("GET", "/app", needs=BY_APP, budgets=())
def get_app(at: Exchange) -> Answer:
    """Show the App that calls."""
    return Answer(200, accounts.app(at.state, at.links, _app(at)))


@route("POST", "/app-manifests/{code}/conversions", needs=Needs(everybody=True))
def convert_manifest(at: Exchange) -> Answer:
    """Hand over a new App's key and secrets, once; whoever holds the code may ask."""
    found, given = manifests.convert(at.state, str(at.path["code"]))
    _ping(at, found)
    shown = accounts.app(at.state, at.links, found)
    told = {"pem": given.pem, "webhook_secret": given.webhook_secret, "client_secret": given.client_secret}
    return Answer(201, shown | told)


def _ping(at: Exchange, found: App) -> None:
    if at.sender is None:
        return
    for hook in at.state.hooks.values():
        if hook.level == rules.level_of_app(found.id) and hook.active:
            shown = {"type": "App", "id": hook.id, "name": "web", "active": True, "events": list(hook.events)}
            payload = {"zen": ZEN, "hook_id": hook.id, "hook": shown | {"config": hooks.config(hook)}}
            at.sender.tell(hook, "ping", None, payload)


@route("GET", "/app/installations", needs=BY_APP, budgets=())
def list_installations(at: Exchange) -> Answer:
    """List the calling App's installations."""
    mine = [each for each in at.state.installations.values() if each.app_id == _app(at).id]
    return at.page(mine, lambda each: accounts.installation(at.state, at.links, each))


@route("GET", "/repos/{owner}/{repo}/installation", needs=BY_APP, budgets=())
def get_repository_installation(at: Exchange) -> Answer:
    """Show the calling App's installation that reaches the repository."""
    return _show(at, _find(at, at.repository.owner, at.full_name))


@route("GET", "/orgs/{org}/installation", needs=BY_APP, budgets=())
def get_organization_installation(at: Exchange) -> Answer:
    """Show the calling App's installation on the organisation."""
    return _show(at, _find(at, at.state.organization(at.path["org"]).login, None))


@route("GET", "/users/{username}/installation", needs=BY_APP, budgets=())
def get_user_installation(at: Exchange) -> Answer:
    """Show the calling App's installation on a user."""
    found = at.state.account(at.path["username"])
    if found.kind == "Organization":
        raise missing()
    return _show(at, _find(at, found.login, None))


def _find(at: Exchange, account: str, repository: str | None) -> Installation:
    for each in at.state.installations.values():
        reached = repository is None or each.repositories is None or repository in each.repositories
        if each.app_id == _app(at).id and each.account.lower() == account.lower() and reached:
            return each
    raise missing()


def _show(at: Exchange, found: Installation) -> Answer:
    return Answer(200, accounts.installation(at.state, at.links, found))


@route("GET", INSTALLATION, needs=BY_APP, budgets=())
def get_installation(at: Exchange) -> Answer:
    """Show one of the calling App's installations."""
    return _show(at, _mine(at))


def _mine(at: Exchange) -> Installation:
    found = at.state.installations.get(at.path["installation_id"])
    if found is None or found.app_id != _app(at).id:
        raise missing()
    return found


@route("POST", f"{INSTALLATION}/access_tokens", needs=BY_APP, budgets=())
def create_token(at: Exchange) -> Answer:
    """Make a token of an installation, with at most its permissions and repositories."""
    found, said = _mine(at), at.body or {}
    chosen = _chosen(at, found, said)
    held = narrowed(found, said.get("permissions", {}), None if chosen is None else {each.full_name for each in chosen})
    expires = at.state.now() + INSTALLATION_TOKEN_LIFE
    token = at.tokens.issue(
        "app-installation",
        people.add_account(at.state, f"{_app(at).slug}[bot]").login,
        expires_at=expires,
        installation_id=found.id,
        app_id=found.app_id,
        account=found.account,
        **held,
    )
    body: dict[str, Any] = {
        "token": token.value,
        "expires_at": stamp(expires),
        "permissions": dict(token.permissions),
        "repository_selection": "all" if token.repositories is None else "selected",
    }
    if chosen:
        body["repositories"] = [accounts.repository(at.state, at.links, each) for each in chosen]
    return Answer(201, body)


def _chosen(at: Exchange, found: Installation, said: dict[str, Any]) -> list[Repository] | None:
    if "repositories" not in said and "repository_ids" not in said:
        return None
    owned = [each for each in at.state.repositories.values() if each.owner.lower() == found.account.lower()]
    names = {each.lower() for each in said.get("repositories", [])}
    ids = set(said.get("repository_ids", []))
    chosen = [each for each in owned if each.name.lower() in names or each.id in ids]
    if not chosen or len(chosen) < max(len(names), len(ids)):
        raise invalid("There is at least one repository that does not exist or is not accessible to the parent.")
    return chosen
