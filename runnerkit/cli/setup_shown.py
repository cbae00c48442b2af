"""What ``setup github`` shows, for people; and the same values for ``--json``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runnerkit.cli.common import echo
from runnerkit.github import features
from runnerkit.github.setup import manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.cli.setup_app import Made
    from runnerkit.cli.setup_asked import Asked
    from runnerkit.github.setup.token import Trial
    from runnerkit.github.setup.words import Step
    from runnerkit.names import Secret
    from runnerkit.settings import GitHubSettings


def needed(asked: Asked) -> str:
    """The permissions as GitHub's page calls them."""
    held = features.permissions(asked.features)
    return features.words((name, level) for name, level in held.items() if name != features.ALWAYS)


def token_link(asked: Asked) -> str:
    """The form of a token with everything filled in."""
    return manifest.token_url(manifest.website(asked.settings.api_url), asked.owner, asked.features)


def token_needed(asked: Asked, *, quiet: bool) -> dict[str, Any]:
    """Which token is to be made, and where."""
    held = features.permissions(asked.features)
    told = {"permissions": held, "scopes": list(features.scopes(asked.features)), "url": token_link(asked)}
    if quiet:
        return told
    echo(f"make a fine-grained token of {asked.owner} for {', '.join(asked.repos)} with these permissions:")
    for feature in asked.features:
        echo(f"  {features.words(feature.permissions):<42} {feature.why}")
    echo(f"this form is filled in already, but for the repositories: {told['url']}")
    echo(f"(a classic token takes the scopes {', '.join(told['scopes'])}, and may do far more)")
    echo("then put it into RUNNERKIT_GITHUB__TOKEN, or pipe it in with --token-stdin, and run this again")
    return told


def trials(kind: str, found: Sequence[Trial], *, quiet: bool) -> dict[str, Any]:
    """What a token may do."""
    words = {"proved": "yes", "readable": "can read it; writing is not tried", "denied": "NO"}
    if not quiet:
        echo(f"the token ({kind}) may:")
        for each in found:
            echo(f"  {each.feature.why} at {each.place}: {words[each.outcome]}")
    checks = [{"for": e.feature.name, "place": e.place, "outcome": str(e.outcome), "why": e.why} for e in found]
    return {"kind": kind, "checks": checks}


def plan(
    asked: Asked,
    planned: Sequence[tuple[Any, Any, Any, Sequence[Step]]],
    told: dict[str, Any],
    folder: Path | None,
    *,
    signed_in: bool,
    quiet: bool,
) -> None:
    """What will be done, before it is."""
    steps = [step for *_, each in planned for step in each]
    told["plan"] = [asdict(step) for step in steps]
    if folder is not None and asked.app and not asked.settings.app_id:
        told["app_permissions"] = features.permissions(asked.features)
        told["folder"] = str(folder)
    places = asked.places()
    if not signed_in and places:
        told["left_out"] = f"settings of {', '.join(places)}: they take your own token (GH_TOKEN, or --token-stdin)"
    if not quiet:
        _show_plan(asked, steps, told)


def _show_plan(asked: Asked, steps: Sequence[Step], told: Mapping[str, Any]) -> None:
    echo("plan:")
    if "folder" in told:
        hook = f"webhook to {asked.hook_url}" if asked.hook_url else "webhook switched off"
        echo(f"  create app of {asked.owner}: {needed(asked)}; {hook}")
        echo(f"  keep its private key in {told['folder']}")
    for step in steps:
        echo(f"  {_line(step)}")
    if "left_out" in told:
        echo(f"  left out: {told['left_out']}")
    if not steps and "folder" not in told:
        echo("  nothing")


def _line(step: Step) -> str:
    return f"{step.verb} {step.kind} {step.name} of {step.place}" + (f": {step.why}" if step.why else "")


def did(step: Step, *, quiet: bool) -> None:
    """A step that was carried out."""
    from runnerkit.github.setup.words import Verb

    if not quiet and step.verb is not Verb.KEEP:
        past = {"create": "created", "change": "changed", "remove": "removed"}
        echo(f"{past[step.verb]} {step.kind} {step.name} of {step.place}")


def app(made: Made, written: str | None, *, quiet: bool) -> dict[str, Any]:
    """The App, and how runnerkit is told of it."""
    told: dict[str, Any] = {"id": made.id, "slug": made.slug, "settings_url": made.settings_url}
    if made.kept is None:
        return told
    told |= {"private_key_file": str(made.kept.key), "variables_file": str(made.kept.variables)}
    if quiet:
        return told
    if written:
        echo(f"{written} names the App now ([github] app_id, private_key_file)")
    else:
        echo(f'write into runnerkit.toml:\n[github]\napp_id = "{made.id}"\nprivate_key_file = "{made.kept.key}"')
    echo("that path is this computer's; elsewhere RUNNERKIT_GITHUB__PRIVATE_KEY (the action's app-key) takes its place")
    echo(f"the same for a service, with the webhook's secret: {made.kept.variables} (NAME=VALUE, as --env-file reads)")
    return told


def pings(found: Mapping[str, int], *, quiet: bool) -> None:
    """How the receiver answered GitHub's ping."""
    for place, status in found.items() if not quiet else ():
        well = 200 <= status < 300  # noqa: PLR2004 - HTTP's own classes
        answer = f"answered with {status}" if status else "was not answered: start `runnerkit serve`, then redeliver it"
        echo(f"{'ok' if well else 'warning'}: the webhook's ping of {place} {answer}")


def app_goes(asked: Asked, *, quiet: bool) -> dict[str, Any] | None:
    """Where the App is deleted."""
    if not asked.settings.app_id:
        return None
    web = manifest.website(asked.settings.api_url)
    slug = _slug(asked) or asked.name or manifest.app_name(asked.owner)
    url = f"{manifest.settings_url(web, asked.owner, slug, personal=asked.personal)}/advanced"
    if not quiet:
        echo(f"GitHub lets nobody delete an App by its API: press Delete GitHub App at {url}")
        echo(f"then delete its key: {asked.settings.private_key_file or 'where you keep it'}")
    return {"id": asked.settings.app_id, "delete_at": url, "private_key_file": asked.settings.private_key_file}


def _slug(asked: Asked) -> str:
    from runnerkit.errors import RunnerkitError
    from runnerkit.github.setup.app import TheApp
    from runnerkit.system import SystemClock

    try:
        found = TheApp(asked.settings.model_copy(update={"token": None, "repositories": asked.repos}), SystemClock())
        found.look()
    except RunnerkitError:
        return ""
    return found.slug


def key_of(settings: GitHubSettings) -> Secret:
    """The App's private key, to be stored as a secret."""
    from runnerkit.names import Secret

    if settings.private_key is not None:
        return Secret(settings.private_key.get_secret_value())
    return Secret(Path(settings.private_key_file or "").expanduser().read_text(encoding="utf-8"))
