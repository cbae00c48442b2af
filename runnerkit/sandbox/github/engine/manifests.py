"""GitHub Apps that are made from a manifest: what may be in it, and the code that their maker exchanges."""

import json
import re
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from runnerkit.sandbox.github import people
from runnerkit.sandbox.github.engine.credentials import add_app
from runnerkit.sandbox.github.hooks import rules
from runnerkit.sandbox.github.records import App, Conversion, Hook, Installation
from runnerkit.sandbox.github.refusals import invalid, missing
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.tokens import GENEROUS, RANKS

# Source: "Registering a GitHub App from a manifest": all three steps within an hour.
CODE_LIFE = timedelta(hours=1)
LOOPBACK = ("127.0.0.1", "localhost")
LONGEST_NAME = 34
# What an event takes at least; GitHub refuses a subscription without it.
EVENT_NEEDS = {"workflow_job": "actions", "workflow_run": "actions", "check_run": "checks", "push": "contents"}


def understood(text: str) -> dict[str, Any]:
    """Read a manifest.

    Raises:
        Refused: 422 with what is wrong, as GitHub's page says it.
    """
    try:
        manifest = json.loads(text)
    except ValueError:
        raise invalid("The manifest is not JSON.") from None
    if not isinstance(manifest, dict) or not str(manifest.get("url", "")).startswith(("http://", "https://")):
        raise invalid("The manifest has no url.")
    if urlsplit(str(manifest.get("redirect_url", ""))).hostname not in LOOPBACK:
        raise invalid("The sandbox leads back to a loopback redirect_url only: nothing leaves the machine.")
    if "hook_attributes" in manifest and not dict(manifest["hook_attributes"]).get("url"):
        raise invalid("hook_attributes has no url.")
    _check_permissions(manifest.get("default_permissions", {}), manifest.get("default_events", []))
    return manifest


def _check_permissions(permissions: Mapping[str, str], events: list[str]) -> None:
    unknown = sorted(name for name, level in permissions.items() if name not in GENEROUS or level not in RANKS)
    if unknown:
        raise invalid(f"Default permission records resource is not included in the list: {', '.join(unknown)}")
    barred = sorted(each for each in events if EVENT_NEEDS.get(each, "metadata") not in {*permissions, "metadata"})
    if barred:
        raise invalid(f"Default events are not supported by permissions: {', '.join(barred)}")


def create(state: State, owner: str, name: str, manifest: Mapping[str, Any]) -> tuple[App, str]:
    """Make the App and the code for which its maker gets the key.

    Raises:
        Refused: 422 for a name that is taken or too long, and for a webhook beyond this machine.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not slug or len(name) > LONGEST_NAME or any(each.slug == slug for each in state.apps.values()):
        raise invalid(f"Name {name!r} is not available, or longer than {LONGEST_NAME} characters; choose another.")
    said = dict(manifest.get("hook_attributes", {}))
    if said.get("active", True) and said:
        rules.check_url(str(said["url"]))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    login = (
        people.add_account(state, owner).login if owner.lower() not in state.accounts else state.account(owner).login
    )
    app = add_app(state, slug, public.decode(), {"metadata": "read"} | dict(manifest.get("default_permissions", {})))
    app.name, app.owner, app.events = name, login, tuple(manifest.get("default_events", []))
    code = secrets.token_hex(20)
    secret = secrets.token_hex(20) if said else None
    state.conversions[code] = Conversion(app.id, _pem(key), secret, secrets.token_hex(20), state.now() + CODE_LIFE)
    if said:
        _add_hook(state, app, said, secret or "")
    return app, code


def _pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


def _add_hook(state: State, app: App, said: Mapping[str, Any], secret: str) -> None:
    number = state.next_id("hook")
    level, active = rules.level_of_app(app.id), bool(said.get("active", True))
    state.hooks[number] = Hook(number, level, str(said["url"]), app.events, state.now(), secret, "json", active)


def way_back(manifest: Mapping[str, Any], code: str, said_state: str) -> str:
    """Where GitHub leads the browser once the App is there."""
    return f"{manifest['redirect_url']}?{urlencode({'code': code} | ({'state': said_state} if said_state else {}))}"


def convert(state: State, code: str) -> tuple[App, Conversion]:
    """Exchange the code.

    Raises:
        Refused: 404 for one that is unknown, used, or older than an hour.
    """
    found = state.conversions.pop(code, None)
    if found is None or found.expires_at <= state.now():
        raise missing()
    return state.apps[found.app_id], found


def install(state: State, slug: str, account: str, names: list[str] | None) -> Installation:
    """Install an App on an account, or change the repositories of its installation; None: all of them.

    Raises:
        Refused: 404 for an App or an account that is not there, 422 for a private App on somebody else's account.
    """
    app = find(state, slug)
    login = state.account(account).login
    if app.owner.lower() != login.lower():
        raise invalid(f"{app.slug} is private: it can be installed on {app.owner} only.")
    chosen = None if names is None else frozenset(state.repository(each).full_name for each in names)
    known = next((e for e in state.installations.values() if (e.app_id, e.account) == (app.id, login)), None)
    if known is None:
        known = Installation(state.next_id("installation"), app.id, login, dict(app.permissions), chosen, state.now())
        state.installations[known.id] = known
    known.repositories, known.permissions = chosen, dict(app.permissions)
    return known


def find(state: State, slug: str) -> App:
    """Find an App by its address.

    Raises:
        Refused: 404 when there is none.
    """
    found = next((each for each in state.apps.values() if each.slug == slug), None)
    if found is None:
        raise missing()
    return found
