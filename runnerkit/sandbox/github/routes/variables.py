"""A repository's variables, and its secrets, whose values only workflows get."""

import base64
import binascii
import hashlib
import re
from typing import Any

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

from runnerkit.sandbox.github.clock import stamp
from runnerkit.sandbox.github.exchange import Answer, Exchange, permission, route
from runnerkit.sandbox.github.records import Repository
from runnerkit.sandbox.github.refusals import Reason, Refused, invalid, missing

VARIABLES = "/repos/{owner}/{repo}/actions/variables"
VARIABLE = f"{VARIABLES}/{{name}}"
SECRETS = "/repos/{owner}/{repo}/actions/secrets"
READ, WRITE = permission("actions_variables", "read"), permission("actions_variables", "write")
SECRETS_READ, SECRETS_WRITE = permission("secrets", "read"), permission("secrets", "write")
IN_ENVIRONMENTS = permission("environments", "read")
NAME = re.compile(r"(?!GITHUB_)[A-Z_][A-Z0-9_]*")


def _known(at: Exchange) -> str:
    name = str(at.path["name"]).upper()
    if name not in at.repository.variables:
        raise missing()
    return name


def _shown(at: Exchange, name: str) -> dict[str, Any]:
    # When a value changed is not remembered; it is no older than its repository.
    since = stamp(at.repository.created_at)
    return {"name": name, "created_at": since, "updated_at": since}


def _variable(at: Exchange, name: str) -> dict[str, Any]:
    return _shown(at, name) | {"value": at.repository.variables[name]}


def _checked(name: str) -> str:
    if NAME.fullmatch(name.upper()) is None:
        raise invalid(
            "Variable name can only contain alphanumeric characters ([A-Z], [0-9]) or underscores (_), must start with"
            " a letter or an underscore and must not begin with GITHUB_."
        )
    return name.upper()


@route("GET", VARIABLES, needs=READ)
def list_variables(at: Exchange) -> Answer:
    """List the variables by name."""
    return at.page(sorted(at.repository.variables), lambda each: _variable(at, each), "variables")


@route("POST", VARIABLES, needs=WRITE)
def create_variable(at: Exchange) -> Answer:
    """Make a variable that is not there yet."""
    name = _checked(at.body["name"])
    if name in at.repository.variables:
        raise Refused(Reason.CONFLICT, "Already exists - Variable already exists")
    at.repository.variables[name] = at.body["value"]
    return Answer(201, {})


@route("GET", VARIABLE, needs=READ)
def get_variable(at: Exchange) -> Answer:
    """Show a variable."""
    return Answer(200, _variable(at, _known(at)))


@route("PATCH", VARIABLE, needs=WRITE)
def edit_variable(at: Exchange) -> Answer:
    """Change a variable's value or name."""
    before = _known(at)
    name = _checked(at.body.get("name", before))
    value = at.repository.variables.pop(before)
    at.repository.variables[name] = at.body.get("value", value)
    return Answer(204)


@route("DELETE", VARIABLE, needs=WRITE)
def delete_variable(at: Exchange) -> Answer:
    """Delete a variable."""
    del at.repository.variables[_known(at)]
    return Answer(204)


@route("GET", SECRETS, needs=SECRETS_READ)
def list_secrets(at: Exchange) -> Answer:
    """List the secrets' names; no call gives their values."""
    return at.page(sorted(at.repository.secrets), lambda each: _shown(at, each), "secrets")


@route("GET", f"{SECRETS}/{{secret_name}}", needs=SECRETS_READ)
def get_secret(at: Exchange) -> Answer:
    """Show that a secret is there."""
    name = str(at.path["secret_name"]).upper()
    if name not in at.repository.secrets:
        raise missing()
    return Answer(200, _shown(at, name))


def _seal(repository: Repository) -> tuple[PrivateKey, str]:
    """The key that secrets of the repository are sealed for, and its id."""
    key = PrivateKey(repository.sealing)
    return key, str(int.from_bytes(hashlib.sha256(bytes(key.public_key)).digest()[:7]))


@route("GET", f"{SECRETS}/public-key", needs=SECRETS_READ)
def get_public_key(at: Exchange) -> Answer:
    """Show what a secret has to be sealed for."""
    key, number = _seal(at.repository)
    return Answer(200, {"key_id": number, "key": base64.b64encode(bytes(key.public_key)).decode()})


@route("PUT", f"{SECRETS}/{{secret_name}}", needs=SECRETS_WRITE)
def put_secret(at: Exchange) -> Answer:
    """Make a secret or replace its value, which must be sealed for the repository's key."""
    name = _checked(str(at.path["secret_name"]))
    key, number = _seal(at.repository)
    try:
        opened = SealedBox(key).decrypt(base64.b64decode(at.body["encrypted_value"], validate=True))
    except (CryptoError, binascii.Error, ValueError):
        opened = None
    if opened is None or at.body["key_id"] != number:
        raise invalid("Bad request - the secret is not encrypted with the repository's public key")
    known = name in at.repository.secrets
    at.repository.secrets[name] = opened.decode()
    return Answer(204) if known else Answer(201, {})


@route("DELETE", f"{SECRETS}/{{secret_name}}", needs=SECRETS_WRITE)
def delete_secret(at: Exchange) -> Answer:
    """Delete a secret."""
    name = str(at.path["secret_name"]).upper()
    if name not in at.repository.secrets:
        raise missing()
    del at.repository.secrets[name]
    return Answer(204)


# --- settings of other places -----------------------------------------------------------------------------------------


@route("GET", "/repos/{owner}/{repo}/actions/organization-variables", needs=READ)
@route("GET", "/repos/{owner}/{repo}/environments/{environment_name}/variables", needs=IN_ENVIRONMENTS)
def list_others_variables(at: Exchange) -> Answer:
    """List an organisation's or an environment's variables, of which there are none here."""
    return at.page([], lambda each: _variable(at, each), "variables")


@route("GET", "/repos/{owner}/{repo}/actions/organization-secrets", needs=SECRETS_READ)
@route("GET", "/repos/{owner}/{repo}/environments/{environment_name}/secrets", needs=IN_ENVIRONMENTS)
def list_others_secrets(at: Exchange) -> Answer:
    """List an organisation's or an environment's secrets, of which there are none here."""
    return at.page([], lambda each: _shown(at, each), "secrets")
