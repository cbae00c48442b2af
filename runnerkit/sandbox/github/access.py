"""Who may do what: GitHub's answers to a caller who lacks something."""

from dataclasses import dataclass

from runnerkit.sandbox.github.records import Repository
from runnerkit.sandbox.github.refusals import Reason, Refused, forbidden, missing
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.tokens import Token

PERSONAL = "Resource not accessible by personal access token"
INTEGRATION = "Resource not accessible by integration"
# What nobody may look at without being asked, not even in a public repository.
ADMINISTRATION = ("actions_variables", "administration", "organization", "repository_hooks", "secrets")


@dataclass(frozen=True, slots=True)
class Needs:
    """What a route asks of its caller.

    ``any_of`` are alternatives of permission and level; ``scope`` is what a classic token needs; ``app`` says that
    only an App may and ``people`` that none may, ``jwt`` that the App itself must call, ``everybody`` that the route
    itself looks who may see what.
    """

    any_of: tuple[tuple[str, str], ...] = ()
    scope: str = ""
    app: bool = False
    jwt: bool = False
    people: bool = False
    everybody: bool = False

    @property
    def accepted(self) -> str:
        """The value of ``x-accepted-github-permissions``."""
        return "; ".join(f"{permission}={level}" for permission, level in self.any_of)

    @property
    def writes(self) -> bool:
        """Whether anonymous callers are refused even where all can read."""
        return any(level != "read" for _, level in self.any_of)


def check(state: State, token: Token | None, needs: Needs, repository: str | None, org: str | None) -> None:
    """Let the caller through.

    Raises:
        Refused: 404 for a repository that is not shown, 401 for nobody, 403 for a missing permission.
    """
    if needs.jwt or needs.everybody:
        return
    found = state.repository(repository) if repository else None
    if found is not None and found.private and not reaches(token, found):
        raise missing()
    if org is not None:
        state.organization(org)
    if not needs.any_of:
        return
    public_read = found is not None and not found.private and not needs.writes
    administrates = any(permission.startswith(ADMINISTRATION) for permission, _ in needs.any_of)
    if public_read and not administrates:
        return
    if token is None:
        raise Refused(Reason.UNAUTHENTICATED, "Requires authentication")
    if found is not None and not reaches(token, found):
        raise forbidden(_reason(token))
    _check_token(token, needs, org)


def _check_token(token: Token, needs: Needs, org: str | None) -> None:
    if needs.app and not token.is_app:
        raise forbidden("You must authenticate via a GitHub App.")
    if needs.people and token.is_app:
        raise forbidden(INTEGRATION)
    if token.kind == "classic":
        if needs.scope not in token.scopes:
            raise forbidden("Must have admin rights to Repository." if org is None else "Must have admin:org scope.")
        return
    stranger = org is not None and token.kind == "app-installation" and token.place.lower() != org.lower()
    if stranger or not any(token.allows(permission, level) for permission, level in needs.any_of):
        raise forbidden(_reason(token))


def _reason(token: Token) -> str:
    return INTEGRATION if token.is_app else PERSONAL


def reaches(token: Token | None, repository: Repository) -> bool:
    """Tell whether the token was given the repository."""
    if token is None or (token.kind == "classic" and "repo" not in token.scopes):
        return False
    if token.repositories is not None:
        return repository.full_name in token.repositories
    if token.installation_id is not None:
        return token.place.lower() == repository.owner.lower()
    return True
