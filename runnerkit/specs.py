"""From what a label says to what is launched: named specs, defaults, policy, and whether a job may be trusted."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from runnerkit.errors import LabelError, PolicyRefused
from runnerkit.names import wish_digest
from runnerkit.wishes import Retry, RunnerSpec, SpotUse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runnerkit.model import Job
    from runnerkit.wishes import Policy


MERGE_GROUP = "merge_group"


def resolve(wish: RunnerSpec, named: Mapping[str, RunnerSpec], default: RunnerSpec, policy: Policy) -> RunnerSpec:
    """The wish with its named spec and the defaults filled in, and checked against policy.

    Raises:
        LabelError: It names a spec that does not exist.
        PolicyRefused: Policy forbids something it asks for; the message names key, value and what is allowed.
    """
    base = default
    if wish.spec is not None:
        if wish.spec not in named:
            raise LabelError(
                f"no spec is named {wish.spec!r}", key="spec", hint=_nearest(wish.spec, named) or "none is configured"
            )
        _allowed("spec", (wish.spec,), policy.specs)
        base = named[wish.spec].over(default)
    elif policy.specs_only:
        raise PolicyRefused("policy allows named specs only (specs_only)", hint=_nearest("", named))
    full = _bounded(wish.over(base), policy)
    _check(full, policy)
    return full


def digest(spec: RunnerSpec) -> str:
    """Stands for everything that a resolved wish says; jobs of all runs that want the same have the same."""
    return wish_digest(spec.model_dump_json(exclude={"spec"}))


def for_job(spec: RunnerSpec, job: Job, policy: Policy) -> RunnerSpec:
    """The wish of a particular job: one of a merge queue is kept from spot, unless it insists.

    A queue throws a change out at the first failure, so an interruption there cannot be made up for.
    """
    if job.event == MERGE_GROUP and spec.spot is SpotUse.PREFER and not policy.merge_queue_spot:
        return spec.model_copy(update={"spot": SpotUse.NEVER})
    return spec


def _bounded(spec: RunnerSpec, policy: Policy) -> RunnerSpec:
    """Fill in what is still unsaid, and cap what policy caps."""
    return spec.model_copy(
        update={
            "spot": spec.spot or SpotUse.PREFER,
            "retry": spec.retry or Retry.INTERRUPTED,
            "arch": spec.arch or ("x64",),
            "idle": min(spec.idle or policy.idle, policy.max_idle),
            "life": min(spec.life or policy.max_life, policy.max_life),
            "price": min((p for p in (spec.price, policy.max_price) if p is not None), default=None),
        }
    )


def _check(spec: RunnerSpec, policy: Policy) -> None:
    # "any" is narrowed to what policy allows when offerings are chosen.
    _allowed("gpu", (wish.model for wish in spec.gpu if wish.model != "any"), policy.gpus)
    _allowed("type", spec.type, policy.types)
    _allowed("family", (f"{family}.*" for family in spec.family), policy.types)
    _allowed("region", spec.region, policy.regions)
    _allowed("image", (spec.image,) if spec.image else (), policy.images)
    if spec.profile and not any(fnmatchcase(spec.profile, pattern) for pattern in policy.profiles):
        raise PolicyRefused(
            f"profile={spec.profile} is not allowed",
            hint=f"allowed: {', '.join(policy.profiles) or 'none'} (policy key profiles)",
        )


def _allowed(key: str, values: Iterable[str], patterns: tuple[str, ...]) -> None:
    """An empty list of patterns allows everything; shell wildcards are understood."""
    for value in values:
        if patterns and not any(fnmatchcase(value, pattern) for pattern in patterns):
            raise PolicyRefused(
                f"{key}={value} is not allowed", hint=f"allowed: {', '.join(patterns)} (policy key {key}s)"
            )


def distrust(job: Job, policy: Policy) -> PolicyRefused | None:
    """Why a job may not have a machine, judged by where it comes from; None when it may. Unknown counts as no."""
    if job.private is not True and not policy.public_repositories:
        return _refusal("is of a public repository (or one whose visibility is unknown)", "public_repositories")
    if job.fork is not False and not policy.forks:
        return _refusal("runs code of a fork (or of an unknown repository)", "forks")
    if job.event == "pull_request_target" and not policy.pull_request_target:
        return _refusal("is triggered by pull_request_target", "pull_request_target")
    return None


def ungated(job: Job, gates: frozenset[str] | None, policy: Policy) -> PolicyRefused | None:
    """Why a job may not have a machine, judged by the environments that let it through; None when it may.

    ``gates`` are their names in lower case; None means that nobody could tell, which counts as no.
    """
    wanted = policy.require_environment
    if not wanted or any(fnmatchcase(gate, pattern.lower()) for gate in gates or () for pattern in wanted):
        return None
    which = "an environment" if "*" in wanted else f"one of the environments {', '.join(wanted)}"
    had = "nobody can tell which did" if gates is None else f"it passed {', '.join(sorted(gates)) or 'none'}"
    return PolicyRefused(
        f"policy wants {which} to let job {job.name!r} of {job.repo} through; {had}",
        hint="give the job (or the job that launches for it) `environment: NAME` with required reviewers; "
        "policy key require_environment",
    )


def _refusal(what: str, key: str) -> PolicyRefused:
    return PolicyRefused(
        f"the job {what}, and anybody could make such a job run on a machine of yours",
        hint=f"policy key {key} = true allows it, if you know who can start such jobs",
    )


def _nearest(word: str, names: Iterable[str]) -> str:
    known = sorted(names)
    near = get_close_matches(word, known, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"there are: {', '.join(known)}" if known else ""
