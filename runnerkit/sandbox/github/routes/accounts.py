"""Repositories, organisations, users and the caller's rate limits."""

from runnerkit.sandbox.github.exchange import Answer, Exchange, permission, route
from runnerkit.sandbox.github.limits import EACH, Bucket
from runnerkit.sandbox.github.refusals import Reason, Refused, forbidden
from runnerkit.sandbox.github.views import accounts


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
