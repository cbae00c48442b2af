"""Checks of GitHub: what signs in, what it may do, what it sees, and whether webhooks arrive."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.doctor.checking import check
from runnerkit.doctor.words import Group, Remark, failure, note, ok, unknown, warning
from runnerkit.errors import ConfigError, ForgeDenied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.doctor.facts_github import Webhooks
    from runnerkit.doctor.seen import Observed

ENDS_SOON = timedelta(days=7)
SETUP = "runnerkit setup github"
TOKENS = "https://github.com/settings/personal-access-tokens/new"
LITTLE = 0.1
LOOK_BACK = timedelta(days=3)
GOOD = range(200, 400)
UNAUTHORIZED = (401, 403)
NO_ANSWER = 0
KINDS = {
    "fine-grained": "a fine-grained token",
    "classic": "a classic token",
    "app": "a GitHub App",
    "actions": "the GITHUB_TOKEN of a workflow",
    "user": "a token that an app got for a user",
    "other": "a token of a kind that is not known here",
}


@check(
    "github-token",
    Group.GITHUB,
    "What signs in to GitHub, and is it of a kind that can register runners?",
    reads=("token",),
    levels="nwf",
    todo="Make a GitHub App (`runnerkit setup github`) or a fine-grained token; set `github.app_id` or `github.token`.",
)
def token(seen: Observed) -> Iterator[Remark]:
    """The token is of a good kind, and does not end soon."""
    error = seen.token.error
    if isinstance(error, ForgeDenied | ConfigError):
        yield failure(error.message, "without GitHub no runner can be registered", error.hint or SETUP)
        return
    told = seen.token.value
    name = f"{KINDS.get(told.kind, KINDS['other'])}{f' of {told.who}' if told.who else ''}"
    left = told.expires_at - seen.now if told.expires_at is not None else None
    if told.kind == "actions":
        yield failure(
            f"this is {KINDS['actions']}",
            "it cannot register runners, whatever `permissions:` says",
            f"{SETUP}, or a fine-grained token as a secret: {TOKENS}",
        )
    elif left is not None and left < ENDS_SOON:
        days = max(left.days, 0)
        yield warning(f"{name} ends in {days} days", "after that nothing is launched", f"renew it: {TOKENS}")
    elif told.kind == "classic":
        yield warning(
            f"{name}: it may do much more than runners need, on every repository",
            "who finds it can change all of your code",
            f"{SETUP}, or a fine-grained token: {TOKENS}",
        )
    elif told.kind in {"user", "other"}:
        yield note(f"this is {name}", "runnerkit is tried with fine-grained tokens and Apps", SETUP)
    else:
        yield ok(name + (f", until {told.expires_at:%Y-%m-%d}" if told.expires_at is not None else ""))


@check(
    "github-permissions",
    Group.GITHUB,
    "Has the token the permission that each feature needs?",
    reads=("powers",),
    levels="wf",
    todo="Add the permission to the token or App; `runnerkit setup github` names those that are needed.",
)
def permissions(seen: Observed) -> Iterator[Remark]:
    """Each feature has its permission, asked for by calls that cannot change anything."""
    powers = seen.powers.value
    for power in powers:
        if power.allowed is None:
            yield unknown(f"{power.feature}: {power.why}", f"it needs {power.needs}")
        elif not power.allowed:
            make = failure if power.required else warning
            yield make(
                f"no permission to {power.feature}: {power.needs}",
                power.why or "the feature does not work",
                f"{SETUP}, or add it to the token",
            )
    good = [power.feature for power in powers if power.allowed]
    if good:
        yield ok(f"may {', '.join(good)}")


@check(
    "github-rate",
    Group.GITHUB,
    "Is enough left of GitHub's hourly budget of calls?",
    reads=("rate",),
    levels="wf",
    todo="Wait for the reset, use a token of its own for runnerkit, poll less often, or use webhooks.",
)
def rate(seen: Observed) -> Iterator[Remark]:
    """The hourly budget is not nearly used up."""
    left = seen.rate.value
    told = f"{left.remaining} of {left.limit} calls left until {left.reset:%H:%M} UTC"
    if left.limit == 0:
        yield ok("this server counts no calls")
    elif left.remaining == 0:
        yield failure(told, "GitHub answers nothing until then", "use a token of its own for runnerkit, or webhooks")
    elif left.remaining < left.limit * LITTLE:
        yield warning(told, "somebody else uses the same token, or passes are too frequent", "use a token of its own")
    else:
        yield ok(told)


@check(
    "github-repositories",
    Group.GITHUB,
    "Does the token see the repositories to serve?",
    reads=("repositories", "more"),
    levels="nwf",
    todo="Correct the names, give the token access, or install the App there.",
)
def repositories(seen: Observed) -> Iterator[Remark]:
    """Each repository is there and in use."""
    found = seen.repositories.value
    if not found:
        yield failure(
            "no repository is named", "there is nothing to serve", "--repo OWNER/NAME, or repositories under [github]"
        )
    if seen.more.value:
        yield note(f"{seen.more.value} more are served, and not looked at here", "", "name some of them with --repo")
    for repo in found:
        if not repo.visible:
            yield failure(
                f"{repo.name}: {repo.problem}"
                if repo.problem
                else f"{repo.name} does not exist, or this token may not see it",
                "its jobs get no machine",
                "correct the name; or give the token access (https://github.com/settings/personal-access-tokens),"
                " or install the App there",
            )
        elif repo.archived:
            yield warning(f"{repo.name} is archived", "it has no jobs any more", "take it out of [github] repositories")
    good = [repo.name for repo in found if repo.visible and not repo.archived]
    if good:
        yield ok(", ".join(good))


@check(
    "github-runner-group",
    Group.GITHUB,
    "Does the runner group exist, and is it open to the repositories?",
    reads=("runner_group", "repositories"),
    levels="wf",
    todo="Make the group in the organisation's settings (Actions, Runner groups), and give it the repositories.",
)
def runner_group(seen: Observed) -> Iterator[Remark]:
    """The group is there, for these repositories and no public ones."""
    wanted, org = seen.config.github.runner_group, seen.config.github.organization
    if not wanted:
        yield ok("not used: runners are registered at each repository")
        return
    group = seen.runner_group.value
    page = f"https://github.com/organizations/{org}/settings/actions/runner-groups"
    if not group.exists:
        yield failure(f"{org} has no runner group {wanted!r}", f"it has: {', '.join(group.others) or 'none'}", page)
        return
    closed = [repo.name for repo in seen.repositories.value if repo.visible and not _open(group.open_to, repo.name)]
    if closed:
        yield failure(
            f"the group {wanted!r} is not open to {', '.join(closed)}", "runners in it never get their jobs", page
        )
    if group.public and not seen.config.policy.public_repositories:
        yield warning(
            f"the group {wanted!r} allows public repositories", "anybody could make a job run on a machine", page
        )
    if not closed and not (group.public and not seen.config.policy.public_repositories):
        yield ok(f"{wanted!r} of {org} is open to them")


def _open(to: frozenset[str] | None, repo: str) -> bool:
    return to is None or repo.lower() in to


@check(
    "github-webhooks",
    Group.GITHUB,
    "Do webhooks arrive: right address, right events, no failures of late?",
    reads=("webhooks",),
    levels="wf",
    todo="Correct the hook's address or secret; `runnerkit setup github` makes the hook.",
)
def webhooks(seen: Observed) -> Iterator[Remark]:
    """GitHub reaches the service."""
    if not seen.config.serve.public_url:
        yield ok("not used: no public_url under [serve], jobs are found by polling")
        return
    hooks = seen.webhooks.value
    if not hooks.ours:
        others = f"; there are: {', '.join(hooks.others)}" if hooks.others else ""
        yield failure(
            f"no webhook sends to {hooks.url}{others}",
            "jobs are found by polling only, up to a minute later",
            f"{SETUP}, or correct public_url under [serve]",
        )
        return
    yield from _arriving(hooks)


def _arriving(hooks: Webhooks) -> Iterator[Remark]:
    if not hooks.active:
        yield failure(f"the webhook to {hooks.url} is switched off", "nothing is sent", "switch it on in its settings")
    elif hooks.events and not {"workflow_job", "*"} & set(hooks.events):
        yield failure(
            f"the webhook to {hooks.url} does not send workflow_job", "that is what tells of jobs", "add the event"
        )
    elif not hooks.deliveries:
        yield unknown(f"nothing was sent to {hooks.url} within three days", "ping it on the hook's page")
    else:
        yield _delivered(hooks)


def _delivered(hooks: Webhooks) -> Remark:
    bad = [each for each in hooks.deliveries if each.status not in GOOD]
    newest, total = hooks.deliveries[0], len(hooks.deliveries)
    ping = next((each for each in hooks.deliveries if each.event == "ping"), None)
    if not bad:
        return ok(f"{total} deliveries to {hooks.url} arrived" + (", the ping among them" if ping else ""))
    told = f"{len(bad)} of {total} deliveries to {hooks.url} failed"
    if newest.status in GOOD:
        return warning(f"{told}, the newest arrived", "lost ones are asked for again", "look at the service's log")
    if newest.status in UNAUTHORIZED:
        why, then = (
            "the service does not accept the signature",
            "give hook and service the same secret: webhook_secrets",
        )
    elif newest.status == NO_ANSWER:
        why, then = (
            "GitHub got no answer: wrong address, a firewall, or no service",
            "runnerkit serve, and open the way",
        )
    else:
        why, then = f"the last answer was {newest.status}", "look at the service's log, and at what stands before it"
    return failure(told, why, then)


CHECKS = (token, permissions, rate, repositories, runner_group, webhooks)
