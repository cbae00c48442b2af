"""Repositories, organisations, users and the caller's rate limits."""

from runnerkit.sandbox.github.access import reaches
from runnerkit.sandbox.github.exchange import Answer, Exchange, permission, route
from runnerkit.sandbox.github.limits import EACH, Bucket
from runnerkit.sandbox.github.records import Repository
from runnerkit.sandbox.github.refusals import Reason, Refused, forbidden
from runnerkit.sandbox.github.views import accounts
from runnerkit.sandbox.github.views.accounts import Json


@route("GET", "/repos/{owner}/{repo}", needs=permission("metadata", "read"))
def get_repository(at: Exchange) -> Answer:
    """Show a repository."""
    return Answer(200, accounts.full_repository(at.state, at.links, at.repository))


@route("GET", "/orgs/{org}")
def get_organization(at: Exchange) -> Answer:
    """Show an organisation."""
    return Answer(200, accounts.organization(at.links, at.state.organization(at.path["org"])))


@route("GET", "/users/{username}")
def get_user(at: Exchange) -> Answer:
    """Show an account."""
    return Answer(200, accounts.public_user(at.links, at.state.account(at.path["username"])))


@route("GET", "/user")
def get_me(at: Exchange) -> Answer:
    """Show the user whose token calls; an App's token has none."""
    if at.token is None:
        raise Refused(Reason.UNAUTHENTICATED, "Requires authentication")
    if at.token.is_app:
        raise forbidden("Resource not accessible by integration")
    return Answer(200, accounts.public_user(at.links, at.state.account(at.token.login)))


@route("GET", "/orgs/{org}/repos")
def list_organization_repositories(at: Exchange) -> Answer:
    """List an organisation's repositories that the caller can see."""
    owner = at.state.organization(at.path["org"]).login
    return at.page([each for each in _seen(at) if each.owner == owner], lambda each: _listed(at, each))


@route("GET", "/user/repos")
def list_my_repositories(at: Exchange) -> Answer:
    """List the repositories that the calling user has to do with."""
    get_me(at)
    return at.page([each for each in _seen(at) if reaches(at.token, each)], lambda each: _listed(at, each))


@route("GET", "/installation/repositories", needs=permission("metadata", "read", app=True))
def list_installation_repositories(at: Exchange) -> Answer:
    """List the repositories that the calling App's installation reaches."""
    if at.token is None or at.token.installation_id is None:
        raise forbidden("Resource not accessible by integration")
    found = [each for each in at.state.repositories.values() if reaches(at.token, each)]
    return at.page(found, lambda each: accounts.repository(at.state, at.links, each), "repositories")


def _seen(at: Exchange) -> list[Repository]:
    return [each for each in at.state.repositories.values() if not each.private or reaches(at.token, each)]


def _listed(at: Exchange, found: Repository) -> Json:
    roles = dict.fromkeys(("admin", "maintain", "push", "triage"), reaches(at.token, found)) | {"pull": True}
    return accounts.repository(at.state, at.links, found) | {"permissions": roles}


@route("GET", "/rate_limit", budgets=())
def get_rate_limit(at: Exchange) -> Answer:
    """Show what is left of the caller's budgets; asking costs nothing."""
    shown = {resource: _bucket(at.limits.bucket(at.token, resource)) for resource in EACH}
    return Answer(200, {"resources": shown, "rate": shown["core"]})


def _bucket(bucket: Bucket) -> dict[str, int]:
    return {
        "limit": bucket.limit,
        "used": bucket.used,
        "remaining": bucket.remaining,
        "reset": int(bucket.reset.timestamp()),
    }
