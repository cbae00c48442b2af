"""The App of ``setup github``: made in a browser, its key kept before anything else, then waited for."""

from __future__ import annotations

import sys
import webbrowser
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runnerkit.cli import setup_keys
from runnerkit.errors import ForgeDenied, LeaseExpired, RunnerkitError
from runnerkit.github.features import lacking, words
from runnerkit.github.setup import manifest

if TYPE_CHECKING:
    from runnerkit.cli.setup_asked import Asked
    from runnerkit.github.setup.app import NewApp, TheApp
    from runnerkit.names import Secret
    from runnerkit.ports import Clock
    from runnerkit.settings import GitHubSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a person at a browser is reached, and how long is waited for them (seconds)."""

    browser: bool
    port: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The App afterwards: ``settings`` sign in as it; ``kept`` is None for one that was there before."""

    id: str
    slug: str
    settings: GitHubSettings
    kept: setup_keys.Kept | None
    webhook_secret: Secret | None
    settings_url: str


def say(text: str) -> None:
    """Tell the person, on standard error: standard output is for the result."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


def make(asked: Asked, folder: Path, way: Way, clock: Clock) -> Made:
    """Let a person make the App at GitHub, and keep its key.

    Raises:
        LeaseExpired: Nobody pressed the button in time.
        ForgeError: GitHub did not give the key.
        ConfigError: The name, or the port, cannot be used.
    """
    from runnerkit.github.setup.app import convert
    from runnerkit.web import app_page
    from runnerkit.web.callback import Callback

    wish = app_wish(asked)
    told = app_page.Question(
        owner=wish.owner,
        name=wish.name,
        work=[(f.why, [words([each]) for each in f.permissions]) for f in wish.features],
        hook_url=wish.hook_url,
        action=wish.creation_url,
    )
    with Callback(
        lambda answer, state: app_page.question(told, wish.manifest(answer), state),
        policy=app_page.policy(wish.creation_url),
        port=way.port,
    ) as page:
        _open(page.url, page.port, way)
        code = page.wait(way.seconds)
        if not code:
            raise LeaseExpired(
                f"nobody made the App within {way.seconds:.0f} s; nothing was changed",
                hint="run the command again; --wait gives more time",
            )
        try:
            new = convert(asked.settings.api_url, code, clock)
            made = _kept(asked, folder, new, wish)
        except (OSError, RunnerkitError) as error:
            page.tell(app_page.failed(str(error)))
            raise
        page.tell(app_page.done(wish.owner, new.slug, manifest.installation_url(wish.web, new.slug)))
    return made


def app_wish(asked: Asked) -> manifest.AppWish:
    """The App that the options and the configuration describe."""
    return manifest.AppWish(
        web=manifest.website(asked.settings.api_url),
        owner=asked.owner,
        personal=asked.personal,
        name=asked.name or manifest.app_name(asked.owner),
        features=asked.features,
        hook_url=asked.hook_url,
    )


def _open(url: str, port: int, way: Way) -> None:
    opened = way.browser and webbrowser.open(url)
    say(f"open this page{' (your browser should show it already)' if opened else ''}: {url}")
    if not opened:
        say(f"it is on this computer only; from another, forward its port first: ssh -L {port}:127.0.0.1:{port} HOST")
    say(f"waiting {way.seconds:.0f} s for the App to be made; Ctrl-C ends it")


def _kept(asked: Asked, folder: Path, new: NewApp, wish: manifest.AppWish) -> Made:
    secret = new.webhook_secret.reveal() if new.webhook_secret and asked.hook_url else None
    try:
        kept = setup_keys.keep_app(folder, new.slug, new.id, new.pem.reveal(), secret)
    except OSError:
        # GitHub shows the key once: the next best place is better than none.
        import tempfile

        kept = setup_keys.keep_app(
            Path(tempfile.mkdtemp(prefix="runnerkit-")), new.slug, new.id, new.pem.reveal(), secret
        )
    say(f"the App {new.slug} (id {new.id}) is made; its private key is in {kept.key}")
    values: dict[str, Any] = {
        "app_id": str(new.id),
        "private_key_file": str(kept.key),
        "private_key": None,
        "token": None,
    }
    return Made(
        id=str(new.id),
        slug=new.slug,
        settings=asked.settings.model_copy(update={**values, "repositories": asked.repos, "installation_id": None}),
        kept=kept,
        webhook_secret=new.webhook_secret,
        settings_url=manifest.settings_url(wish.web, asked.owner, new.slug, personal=asked.personal),
    )


def known(asked: Asked, app: TheApp) -> Made:
    """The App of the configuration, asked who it is.

    Raises:
        ForgeDenied: Its key is not taken, or it lacks permissions, which GitHub lets be changed in its settings alone.
    """
    app.look()
    web = manifest.website(asked.settings.api_url)
    url = manifest.settings_url(web, app.owner, app.slug, personal=app.personal)
    missing = lacking(app_wish(asked).permissions, app.permissions)
    if missing:
        raise ForgeDenied(
            f"the App {app.slug} lacks permissions: {words(missing.items())}",
            hint=f"add them at {url}/permissions, accept them in its installation, then run the command again",
        )
    return Made(
        id=asked.settings.app_id or "",
        slug=app.slug,
        settings=asked.settings.model_copy(update={"repositories": asked.repos, "token": None}),
        kept=None,
        webhook_secret=None,
        settings_url=url,
    )


def installed(asked: Asked, made: Made, app: TheApp, way: Way) -> None:
    """Wait until the App is installed on every repository, with all of its permissions.

    Raises:
        LeaseExpired: It is not, in time; what was made stays, and the same command goes on from there.
        ForgeDenied: Its owner has not accepted permissions that were added later.
    """
    reach = app.reach(asked.repos)
    if reach.missing:
        link = manifest.installation_url(manifest.website(asked.settings.api_url), made.slug)
        say(f"install the App on {', '.join(reach.missing)}: {link}")
        if made.kept is not None:
            say(f"if you stop here, go on later with {_go_on(made)}")
        # Whoever made it in a browser has the button in front of them already.
        if way.browser and made.kept is None:
            webbrowser.open(link)
        reach = app.wait(asked.repos, way.seconds)
    if reach.missing:
        later = f" with {_go_on(made)}" if made.kept is not None else ""
        raise LeaseExpired(
            f"the App {made.slug} is not installed on {', '.join(reach.missing)} yet; its key is kept",
            hint=f"install it, then run the command again{later}",
        )
    missing = lacking(app_wish(asked).permissions, reach.held)
    if missing:
        raise ForgeDenied(
            f"the installation of the App {made.slug} lacks permissions: {words(missing.items())}",
            hint="an owner has to accept them on the installation's page",
        )


def _go_on(made: Made) -> str:
    """The variables that name the App to the next run."""
    return f"RUNNERKIT_GITHUB__APP_ID={made.id} RUNNERKIT_GITHUB__PRIVATE_KEY_FILE={made.kept.key if made.kept else ''}"
