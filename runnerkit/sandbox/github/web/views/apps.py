"""GitHub Apps as pages show them."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from runnerkit.sandbox.github.engine import manifests
from runnerkit.sandbox.github.state import State

NEW = ("/settings/apps/new", "/organizations/<org>/settings/apps/new")
SOMEBODY = "octocat"


@dataclass(frozen=True, slots=True)
class NewApp:
    """The question whether an App is to be made."""

    head: None
    owner: str
    name: str
    manifest: str
    state: str
    origin: str
    hook: str
    permissions: tuple[tuple[str, str], ...]
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AppView:
    """An App, where it is installed, and where it could be."""

    head: None
    slug: str
    name: str
    owner: str
    permissions: tuple[tuple[str, str], ...]
    repositories: tuple[tuple[str, bool], ...]
    installed: bool
    everywhere: bool


def new_view(state: State, text: str, org: str, said_state: str) -> NewApp:
    """The question, for an organisation or for the person at the browser.

    Raises:
        Refused: the manifest is not accepted, or there is no such organisation.
    """
    manifest = manifests.understood(text)
    with state.open(reading=True):
        owner = state.organization(org).login if org else _somebody(state)
    back = urlsplit(str(manifest["redirect_url"]))
    said = manifest.get("hook_attributes", {})
    return NewApp(
        None,
        owner,
        str(manifest.get("name", "")),
        text,
        said_state,
        f"{back.scheme}://{back.netloc}",
        str(said.get("url", "")) if said.get("active", True) else "",
        tuple(sorted(manifest.get("default_permissions", {}).items())),
        tuple(manifest.get("default_events", [])),
    )


def _somebody(state: State) -> str:
    """Nobody signs in here: it is the first user who owns something."""
    owners = {each.owner.lower() for each in state.repositories.values()}
    found = [each.login for key, each in state.accounts.items() if each.kind == "User" and key in owners]
    return found[0] if found else SOMEBODY


def app_view(state: State, slug: str) -> AppView:
    """An App.

    Raises:
        Refused: there is none with this address.
    """
    with state.open(reading=True):
        app = manifests.find(state, slug)
        found = next((each for each in state.installations.values() if each.app_id == app.id), None)
        owned = sorted(e.full_name for e in state.repositories.values() if e.owner.lower() == app.owner.lower())
    reached = owned if found is not None and found.repositories is None else list((found and found.repositories) or ())
    return AppView(
        None,
        app.slug,
        app.name or app.slug,
        app.owner,
        tuple(sorted(app.permissions.items())),
        tuple((each, each in reached) for each in owned),
        found is not None,
        found is not None and found.repositories is None,
    )
