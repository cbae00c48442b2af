"""One run of ``setup github``: look, plan, ask, do."""

from __future__ import annotations

import os
import secrets
import sys
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import typer
from pydantic import SecretStr

from runnerkit.cli import setup_app, setup_keys, setup_shown
from runnerkit.cli.common import PARTLY, print_json
from runnerkit.errors import ConfigError, ForgeDenied
from runnerkit.github.client import Client
from runnerkit.github.setup.app import TheApp
from runnerkit.github.setup.place import Place, same
from runnerkit.github.setup.plan import removal, steps
from runnerkit.github.setup.token import Outcome, kind, try_out
from runnerkit.github.setup.words import Seen, Step, Verb, Wish
from runnerkit.names import Secret
from runnerkit.system import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from runnerkit.cli.setup_app import Made, Way
    from runnerkit.cli.setup_asked import Asked

PING_TRIES = 5
# Tokens that are good for all that a person, or an App for them, may do everywhere.
WIDE = ("classic", "OAuth", "user token of an App")
_UNKNOWN = "-"
Planned = tuple[Place, Wish, Seen, "Sequence[Step]"]


@dataclass
class Run:
    """One run of the command."""

    asked: Asked
    way: Way
    as_json: bool
    yes: bool
    dry_run: bool
    told: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = SystemClock()
        self.person: Client | None = self._client() if self.asked.token else None

    def _client(self) -> Client:
        token = self.asked.token.reveal() if self.asked.token else ""
        cleared = {"app_id": None, "private_key": None, "private_key_file": None, "token": SecretStr(token)}
        return Client(self.asked.settings.model_copy(update=cleared), clock=self.clock, repos=self.asked.repos)

    # --- making -------------------------------------------------------------------------------------------------------

    def make(self, file: Path) -> None:
        """Show the plan and carry it out."""
        self.told = {"way": "app" if self.asked.app else "token", "owner": self.asked.owner, "done": False}
        if not self.asked.app and self.person is None:
            self.told["token"] = setup_shown.token_needed(self.asked, quiet=self.as_json)
            self._finish()
            if self.yes and not self.dry_run:
                raise typer.Exit(PARTLY)
            return
        if not self.asked.app:
            self._try_token()
        keeps = self.asked.app or bool(self.asked.hook_url)
        folder = setup_keys.folder(self.asked.out, os.environ) if keeps else None
        planned = self._planned(self._stand_in(), self._stand_in(), _UNKNOWN)
        setup_shown.plan(self.asked, planned, self.told, folder, signed_in=self.person is not None, quiet=self.as_json)
        makes_app = self.asked.app and not self.asked.settings.app_id
        if self.dry_run or not self._agreed(planned, makes_app=makes_app):
            self._finish()
            return
        if folder is not None:
            setup_keys.ready(folder)
        made = self._app(folder, file) if self.asked.app and folder is not None else None
        self._settle(folder, made)
        self.told["done"] = "left_out" not in self.told
        self._finish()
        if not self.told["done"]:
            raise typer.Exit(PARTLY)

    def _finish(self) -> None:
        if self.as_json:
            print_json(self.told)

    def _stand_in(self) -> Secret:
        return Secret("")

    def _try_token(self) -> None:
        if self.person is None or self.asked.token is None:
            return
        held = kind(self.asked.token.reveal())
        if self.asked.secrets and held in WIDE:
            where = ", ".join(self.asked.single)
            raise ConfigError(
                f"--secrets would give every job of {where} a token ({held}) that may do far more",
                hint=f"make a fine-grained one; this form is filled in already: {setup_shown.token_link(self.asked)}",
            )
        trials = try_out(self.person, self.asked.features, self.asked.repos)
        self.told["token"] = setup_shown.trials(held, trials, quiet=self.as_json)
        denied = [each for each in trials if each.outcome is Outcome.DENIED]
        if denied:
            raise ForgeDenied(
                "the token may not do all that is needed: "
                + "; ".join(f"{each.feature.why} at {each.place}" for each in denied),
                hint=f"give it these permissions: {setup_shown.needed(self.asked)}; this form is filled in already:"
                f" {setup_shown.token_link(self.asked)}",
            )

    def _planned(self, hook: Secret | None, secret: Secret, app_id: str) -> list[Planned]:
        if self.person is None:
            return []
        found = []
        for name in self.asked.places():
            place, wish = Place(self.person, name), self.asked.wish(name, hook, secret, app_id)
            seen = place.look(wish)
            found.append((place, wish, seen, steps(name, wish, seen)))
        return found

    def _agreed(self, planned: Sequence[Any], *, makes_app: bool = False) -> bool:
        """Whether it is to be done: nothing to do needs no question, and who cannot be asked must have said so."""
        changes = [step for *_, wanted in planned for step in wanted if step.verb is not Verb.KEEP]
        if self.yes or not (changes or makes_app):
            return True
        if self.as_json or not sys.stdin or not sys.stdin.isatty():
            raise ConfigError("nobody is here to say yes to the plan", hint="say --yes, or --dry-run to see it only")
        return typer.confirm("do it?", default=False, err=True)

    # --- the App ------------------------------------------------------------------------------------------------------

    def _app(self, folder: Path, file: Path) -> Made:
        asked = self.asked
        made = None if asked.settings.app_id else setup_app.make(asked, folder, self.way, self.clock)
        signing = made.settings if made else asked.settings.model_copy(update={"token": None})
        app = TheApp(signing, self.clock)
        try:
            made = made or setup_app.known(asked, app)
            if made.kept is not None:
                values = {"app_id": made.id, "private_key_file": str(made.kept.key)}
                self.told["written"] = str(file) if setup_keys.write_settings(file, values) else None
            self.told["app"] = setup_shown.app(made, self.told.get("written"), quiet=self.as_json)
            if asked.hook_url and made.kept is None:
                self._point_hook(app, folder)
            setup_app.installed(asked, made, app, self.way)
        finally:
            app.close()
        setup_app.say(f"the App {made.slug} is installed on {', '.join(asked.repos)}")
        return made

    def _point_hook(self, app: TheApp, folder: Path) -> None:
        if not same(app.hook_url(), self.asked.hook_url) or self.asked.replace:
            app.set_hook(self.asked.hook_url, self._hook_secret(folder))

    def _hook_secret(self, folder: Path) -> Secret:
        """The secret that the configuration names, or a new one, kept in a file before GitHub is told."""
        known = self.asked.config.serve.webhook_secrets
        if known:
            return Secret(known[0].get_secret_value())
        fresh = secrets.token_hex(32)
        path = setup_keys.keep(folder / "webhook.env", f"RUNNERKIT_SERVE__WEBHOOK_SECRETS={fresh}\n")
        self.told["webhook_secret_file"] = str(path)
        setup_app.say(f"the webhook's secret is in {path}; give it to `runnerkit serve`")
        return Secret(fresh)

    # --- settings of repositories -------------------------------------------------------------------------------------

    def _settle(self, folder: Path | None, made: Made | None) -> None:
        secret = self.asked.token if made is None else setup_shown.key_of(made.settings)
        planned = self._planned(None, secret or self._stand_in(), made.id if made else "")
        hooks = [s for *_, wanted in planned for s in wanted if s.kind == "webhook" and s.verb is not Verb.KEEP]
        if hooks and folder is not None:
            planned = self._planned(self._hook_secret(folder), secret or self._stand_in(), made.id if made else "")
        self._do(planned)
        if made is None and self.asked.hook_url:
            self.told["ping"] = self._pinged(planned)

    def _do(self, planned: Sequence[Planned]) -> None:
        done: list[dict[str, Any]] = []
        self.told["steps"] = done
        for place, wish, seen, wanted in planned:
            for step in wanted:
                place.do(step, wish, seen)
                done.append(asdict(step))
                setup_shown.did(step, quiet=self.as_json)

    def _pinged(self, planned: Sequence[Planned]) -> Mapping[str, int]:
        """The answer to GitHub's ping of each webhook; 0: none yet, which is no error, as nobody may be listening."""
        found: dict[str, int] = {}
        for place, wish, _, _ in planned:
            for hook in place.hooks(wish.hook_url) if wish.hook_url else ():
                status = place.ping(hook)
                for _ in range(PING_TRIES):
                    if status:
                        break
                    self.clock.wait(1.0)
                    status = place.ping(hook)
                found[place.name] = status
        setup_shown.pings(found, quiet=self.as_json)
        return found

    # --- removing -----------------------------------------------------------------------------------------------------

    def remove(self) -> None:
        """Take back what was made, and say where the App is deleted, which GitHub lets nobody do by its API."""
        self.told = {"way": "app" if self.asked.app else "token", "owner": self.asked.owner, "done": False}
        if not self.asked.app and not self.asked.hook_url:
            setup_app.say("webhooks stay: no address of theirs is known (--hook-url, or public_url under [serve])")
        names = [*([self.asked.owner] if self.asked.hooks_at_owner else []), *self.asked.single]
        if self.person is None and not self.asked.app:
            raise ConfigError("taking it back needs your token", hint="set GH_TOKEN, or pipe it with --token-stdin")
        planned = []
        for place in [Place(self.person, name) for name in names] if self.person else []:
            wish = Wish(hook_url=self.asked.hook_at(place.name))
            seen = place.look(wish, everything=True)
            planned.append((place, wish, seen, removal(place.name, seen, wish.hook_url)))
        setup_shown.plan(self.asked, planned, self.told, None, signed_in=self.person is not None, quiet=self.as_json)
        if not self.dry_run and self._agreed(planned):
            self._do(planned)
            self.told["done"] = True
        self.told["app"] = setup_shown.app_goes(self.asked, quiet=self.as_json)
        self._finish()
