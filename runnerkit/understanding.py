"""From a queued job to a wish: its label, the configuration's specs and its repository's own, policy, environments."""

from __future__ import annotations

import tomllib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit import labels
from runnerkit.errors import ConfigError, ForgeError, LabelError, PolicyRefused
from runnerkit.specs import distrust, for_job, resolve, ungated

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runnerkit.launching import Outside
    from runnerkit.model import Job
    from runnerkit.wishes import Policy, RunnerSpec

# Where a repository keeps named specs of its own, on its default branch.
REPOSITORY_FILE = ".github/runnerkit.toml"
REPOSITORY_FILE_FRESH = timedelta(minutes=1)
REMEMBERED_GATES = 10_000


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a job's labels become a wish: the configuration's named specs, its default, and whether arrays count."""

    named: Mapping[str, RunnerSpec]
    default: RunnerSpec
    arrays: bool = False


class Understanding:
    """Understands jobs for one installation; asks GitHub only where a label or policy makes that necessary."""

    def __init__(self, outside: Outside, policy: Policy, wishes: Wishes) -> None:
        self._outside = outside
        self._policy = policy
        self._wishes = wishes
        self._files: dict[str, tuple[datetime, Mapping[str, RunnerSpec]]] = {}
        self._passed: OrderedDict[int, frozenset[str]] = OrderedDict()

    def wish(self, job: Job) -> RunnerSpec | None:
        """The wish of a job; None when it does not ask for us.

        Raises:
            LabelError: It asks for us in words that cannot be understood.
            PolicyRefused: It asks for something, or comes from somewhere, that policy forbids.
            ForgeError: What decides about it cannot be read just now.
        """
        policy = self._policy.of(job.repo)
        label = labels.read(job.labels, arrays=self._wishes.arrays)
        if label is None:
            slip = labels.misspelt(job.labels)
            if slip is not None:
                raise LabelError(f"label {slip!r} is nobody's", hint=f"it begins with {labels.WORD}, spelt like this")
            return None
        distrusted = distrust(job, policy)
        if distrusted is not None:
            raise distrusted
        spec = for_job(self._resolved(job, label.spec, policy), job, policy)
        locked = ungated(job, self._gates(job, policy), policy)
        if locked is not None:
            raise locked
        return spec

    def spec_of(self, job: Job) -> RunnerSpec | None:
        """The wish behind a job's label, whoever may have it; None when it is not ours, or not to be understood now."""
        try:
            return self.repeats(job)
        except ForgeError:
            return None

    def repeats(self, job: Job) -> RunnerSpec | None:
        """The wish behind a job's label, whoever may have it; None when it is not ours, or never to be understood.

        Raises:
            ForgeError: The repository's own specs cannot be read just now.
        """
        label = labels.read(job.labels, arrays=self._wishes.arrays)
        if label is None:
            return None
        policy = self._policy.of(job.repo)
        try:
            return for_job(self._resolved(job, label.spec, policy), job, policy)
        except (ConfigError, PolicyRefused):
            return None

    def _resolved(self, job: Job, wish: RunnerSpec, policy: Policy) -> RunnerSpec:
        named = self._wishes.named
        if wish.spec is not None and wish.spec not in named:
            named = {**self._of_repository(job.repo), **named}
        return resolve(wish, named, self._wishes.default, policy)

    def _of_repository(self, repo: str) -> Mapping[str, RunnerSpec]:
        """The repository's own specs; read when a label names one that the configuration does not have."""
        now = self._outside.clock.now()
        known = self._files.get(repo.lower())
        if known is None or now >= known[0] + REPOSITORY_FILE_FRESH:
            text = self._outside.forge.file(repo, REPOSITORY_FILE)
            known = now, named_specs(text or "", f"{repo}: {REPOSITORY_FILE}")
            self._files[repo.lower()] = known
        return known[1]

    def _gates(self, job: Job, policy: Policy) -> frozenset[str] | None:
        """Which environments let the job through: what it has passed once, it has passed."""
        if not policy.require_environment:
            return None
        passed = self._passed.get(job.id)
        if passed is None:
            passed = self._outside.forge.gates(job.repo, job)
            if passed:
                self._passed[job.id] = passed
                while len(self._passed) > REMEMBERED_GATES:
                    self._passed.popitem(last=False)
        return passed


def named_specs(text: str, origin: str) -> Mapping[str, RunnerSpec]:
    """The named specs of a repository's file, which holds nothing else: bounds are not for a repository to set.

    Raises:
        LabelError: The file, or one of its specs, cannot be understood; names origin, spec and reason.
    """
    try:
        written = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LabelError(f"{origin}: is not TOML: {error}", key="spec") from None
    others = sorted(written.keys() - {"specs"})
    if others:
        raise LabelError(f"{origin}: {others[0]}: a repository may only have [specs.NAME]", key="spec")
    specs = written.get("specs", {})
    if not isinstance(specs, dict) or not all(isinstance(keys, dict) for keys in specs.values()):
        raise LabelError(f"{origin}: specs: write [specs.NAME] with keys of the label grammar below", key="spec")
    return {name: _spec(f"{origin}: [specs.{name}]", keys) for name, keys in specs.items()}


def _spec(origin: str, keys: Mapping[str, object]) -> RunnerSpec:
    label = "/".join((labels.WORD, *(f"{key}={value}" for key, value in keys.items())))
    try:
        return labels.parse(label).spec
    except LabelError as error:
        raise LabelError(f"{origin}: {error.message}", key="spec", hint=error.hint) from None
