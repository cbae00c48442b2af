"""One repository, or one organisation, as ``setup github`` looks at it and changes it.

Sources: GitHub's OpenAPI description of ``repos/create-webhook``, ``orgs/create-webhook``,
``actions/create-repo-variable``, ``actions/create-or-update-repo-secret`` (values are sealed with libsodium for the
repository's public key) and ``repos/create-or-update-environment`` (what is not named is switched off).
"""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runnerkit.errors import ConfigError, NotFound
from runnerkit.github import places
from runnerkit.github.asks import (
    ENVIRONMENTS,
    ORGANIZATION_HOOKS,
    REPOSITORIES,
    REPOSITORY_HOOKS,
    SECRETS,
    VARIABLES,
    Ask,
)
from runnerkit.github.setup.plan import recorded
from runnerkit.github.setup.words import EVENTS, RECORD, Environment, Hook, Seen, Step, Verb
from runnerkit.github.views import integer, record, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runnerkit.github.asks import Need
    from runnerkit.github.client import Client
    from runnerkit.github.setup.words import Wish

JSON = Any


class Place:
    """A repository (``owner/name``) or an organisation (its name alone), which has webhooks only."""

    def __init__(self, client: Client, name: str) -> None:
        self.name = name
        self._client = client
        self._owned = places.is_account(name)
        self._base = f"/orgs/{places.account(name)}" if self._owned else f"/repos/{places.repository(name)}"
        self._hook_need = ORGANIZATION_HOOKS if self._owned else REPOSITORY_HOOKS

    # --- looking ------------------------------------------------------------------------------------------------------

    def look(self, wish: Wish, *, everything: bool = False) -> Seen:
        """What is there of what is wished for; with ``everything`` also what an earlier record lists.

        Raises:
            ForgeError: The token may not see it, or GitHub could not be asked.
        """
        hooks = self._hooks(wish.hook_url) if wish.hook_url else ()
        if self._owned or not (everything or wish.variables or wish.secrets or wish.environment):
            return Seen(hooks)
        variables = self._variables()
        before = Seen(variables=variables).record
        secrets = self._secrets() if wish.secrets or (everything and before.secrets) else frozenset()
        name = wish.environment or (before.environment if everything else "")
        old = {each: there for each in before.earlier if (there := self._environment(each))} if everything else {}
        return Seen(hooks, variables, secrets, self._environment(name) if name else None, old)

    def _hooks(self, url: str) -> tuple[Hook, ...]:
        rows = self._client.rows(self._ask("GET", "/hooks", "list the webhooks", self._hook_need), each=record)
        mine = [row for row in rows if same(text(record(row.get("config")).get("url")), url)]
        return tuple(hook for row in mine if (hook := _hook(row)) is not None)

    def _variables(self) -> dict[str, str]:
        ask = self._ask("GET", "/actions/variables", "list the variables", VARIABLES)
        rows = self._client.rows(ask, "variables", each=record, remember=False)
        return {text(row.get("name")): text(row.get("value")) for row in rows}

    def _secrets(self) -> frozenset[str]:
        ask = self._ask("GET", "/actions/secrets", "list the names of the secrets", SECRETS)
        return frozenset(text(row.get("name")) for row in self._client.rows(ask, "secrets", each=record))

    def _environment(self, name: str) -> Environment | None:
        try:
            told = self._client.read(self._ask("GET", _environment(name), f"read the environment {name}", ENVIRONMENTS))
        except NotFound:
            return None
        return _seen(record(told))

    # --- changing -----------------------------------------------------------------------------------------------------

    def do(self, step: Step, wish: Wish, seen: Seen) -> None:
        """Carry out a step; one that keeps does nothing, and what is gone already is removed.

        Raises:
            ForgeError: GitHub refused, or could not be asked.
        """
        if step.verb is Verb.KEEP:
            return
        handlers: dict[str, Callable[[Step, Wish, Seen], None]] = {
            "webhook": self._do_webhook,
            "variable": self._do_variable,
            "secret": self._do_secret,
            "environment": self._do_environment,
            "record": self._do_variable,
        }
        try:
            handlers[step.kind](step, wish, seen)
        except NotFound:
            if step.verb is not Verb.REMOVE:
                raise

    def _do_webhook(self, step: Step, wish: Wish, seen: Seen) -> None:
        config: dict[str, Any] = {"url": step.name, "content_type": "json"}
        if wish.hook_secret is not None:
            config["secret"] = wish.hook_secret.reveal()
        body = {"config": config, "events": list(EVENTS), "active": True}
        if step.verb is Verb.CREATE:
            self._send("POST", "/hooks", f"make a webhook of {self.name}", self._hook_need, {"name": "web", **body})
        for hook in seen.hooks:
            if step.verb is Verb.REMOVE:
                with suppress(NotFound):
                    self._send("DELETE", f"/hooks/{hook.id}", f"delete webhook {hook.id}", self._hook_need)
            else:
                self._send("PATCH", f"/hooks/{hook.id}", f"change webhook {hook.id}", self._hook_need, body)

    def _do_variable(self, step: Step, wish: Wish, seen: Seen) -> None:
        value = recorded(wish, seen).text() if step.name == RECORD else wish.variables.get(step.name, "")
        what = f"{step.verb} the variable {step.name}"
        if step.verb is Verb.REMOVE:
            self._send("DELETE", f"/actions/variables/{step.name}", what, VARIABLES)
        elif step.verb is Verb.CREATE:
            self._send("POST", "/actions/variables", what, VARIABLES, {"name": step.name, "value": value})
        else:
            self._send("PATCH", f"/actions/variables/{step.name}", what, VARIABLES, {"value": value})

    def _do_secret(self, step: Step, wish: Wish, _seen: Seen) -> None:
        path = f"/actions/secrets/{step.name}"
        if step.verb is Verb.REMOVE:
            self._send("DELETE", path, f"delete the secret {step.name}", SECRETS)
            return
        key = record(self._client.read(self._ask("GET", "/actions/secrets/public-key", "read the key", SECRETS)))
        sealed = seal(text(key.get("key")), wish.secrets[step.name].reveal())
        body = {"encrypted_value": sealed, "key_id": text(key.get("key_id"))}
        self._send("PUT", path, f"write the secret {step.name}", SECRETS, body)

    def _do_environment(self, step: Step, wish: Wish, seen: Seen) -> None:
        what = f"{step.verb} the environment {step.name}"
        if step.verb is Verb.REMOVE:
            self._send("DELETE", _environment(step.name), what, ENVIRONMENTS)
            return
        there = seen.environment or Environment()
        ids = [self._person(each) for each in wish.reviewers if each.lower() not in there.logins]
        reviewers = [*there.reviewers, *(("User", number) for number in ids)]
        body = {**there.rules, "reviewers": [{"type": kind, "id": number} for kind, number in reviewers]}
        self._send("PUT", _environment(step.name), what, ENVIRONMENTS, body)

    def _person(self, login: str) -> int:
        what = f"find the reviewer {login}"
        ask = Ask(
            verb="GET", path=f"/users/{places.account(login)}", what=what, repo=self.name, need=REPOSITORIES,
            meanings={404: NotFound},
        )  # fmt: skip
        try:
            number = integer(record(self._client.read(ask)).get("id"))
        except NotFound:
            number = None
        if number is None:
            raise ConfigError(f"GitHub knows no user {login!r} who could review", hint="give logins with --reviewer")
        return number

    def ping(self, hook: Hook) -> int:
        """The status of the last ping that was delivered; 0: it was not, or not yet."""
        what = f"list the deliveries of webhook {hook.id}"
        rows, _ = self._client.some(
            self._ask("GET", f"/hooks/{hook.id}/deliveries", what, self._hook_need), each=record
        )
        pings = [row for row in rows if text(row.get("event")) == "ping"]
        return (integer(pings[0].get("status_code")) or 0) if pings else 0

    def hooks(self, url: str) -> tuple[Hook, ...]:
        """The webhooks with our address."""
        return self._hooks(url)

    def _send(self, verb: str, path: str, what: str, need: Need, body: Mapping[str, JSON] | None = None) -> None:
        self._client.ask(self._ask(verb, path, what, need, body))

    def _ask(self, verb: str, path: str, what: str, need: Need, body: Mapping[str, JSON] | None = None) -> Ask:
        what = what if self.name in what else f"{what} of {self.name}"
        return Ask(verb=verb, path=self._base + path, what=what, repo=self.name, need=need, body=body)


def same(one: str, other: str) -> bool:
    """Whether two addresses of webhooks mean the same."""
    return one.strip().rstrip("/").lower() == other.strip().rstrip("/").lower()


def seal(key: str, value: str) -> str:
    """Encrypt a value so that only GitHub can read it (libsodium's sealed box), in base64."""
    from nacl.public import PublicKey, SealedBox

    return base64.b64encode(SealedBox(PublicKey(base64.b64decode(key))).encrypt(value.encode())).decode()


def _hook(row: Mapping[str, JSON]) -> Hook | None:
    number, events = integer(row.get("id")), row.get("events")
    if number is None:
        return None
    names = tuple(str(each) for each in events) if isinstance(events, list) else ()
    return Hook(number, names, row.get("active") is True, text(record(row.get("config")).get("content_type")))


def _environment(name: str) -> str:
    return f"/environments/{quote(name, safe='')}"


def _seen(told: Mapping[str, JSON]) -> Environment:
    """An environment with every rule that a PUT would otherwise switch off."""
    rules: dict[str, object] = {}
    reviewers: list[tuple[str, int]] = []
    logins: set[str] = set()
    for rule in map(record, told.get("protection_rules") or []):
        if rule.get("wait_timer"):
            rules["wait_timer"] = rule["wait_timer"]
        if rule.get("prevent_self_review"):
            rules["prevent_self_review"] = True
        for each in map(record, rule.get("reviewers") or []):
            who = record(each.get("reviewer"))
            if (number := integer(who.get("id"))) is not None:
                reviewers.append((text(each.get("type")), number))
                logins |= {text(who.get("login")).lower()} - {""}
    if told.get("deployment_branch_policy"):
        rules["deployment_branch_policy"] = told["deployment_branch_policy"]
    return Environment(tuple(reviewers), frozenset(logins), rules)
