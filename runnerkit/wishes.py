"""What people write: the wish for a machine, and the policy that bounds wishes. Checked once, where it enters."""

from __future__ import annotations

from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

HOUR = 3600
DAY = 24 * HOUR
GITHUB_JOB_LIMIT = 5 * DAY


class Written(BaseModel):
    """Base of everything a person writes: frozen, and an unknown key is an error."""

    # Built on first use: a model within another is then built once, not twice.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class SpotUse(StrEnum):
    """Whether to use spot: prefer it (and fall back), insist on it, or never."""

    PREFER = "prefer"
    ONLY = "only"
    NEVER = "never"


class Retry(StrEnum):
    """Whether an interrupted job runs again."""

    INTERRUPTED = "interrupted"
    NEVER = "never"


class GpuWish(Written):
    """A GPU model (``any`` for whichever) and how many of it."""

    model: str
    count: int = Field(default=1, ge=1, le=16)


class Range(Written):
    """From ``low`` up to ``high``, both included; ``high`` None means no upper bound."""

    low: float = Field(ge=0)
    high: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high is not None and self.high < self.low:
            msg = f"the range ends ({self.high:g}) before it begins ({self.low:g})"
            raise ValueError(msg)
        return self

    def __str__(self) -> str:
        return f"{self.low:g}" if self.high is None else f"{self.low:g}+{self.high:g}"

    def holds(self, value: float) -> bool:
        """Whether a value lies in the range."""
        return self.low <= value and (self.high is None or value <= self.high)


class Disk(Written):
    """The root disk: GB, volume type, MiB/s and IOPS (None: the type's own)."""

    gb: int = Field(ge=8, le=65_536)
    type: str = "gp3"
    mibps: int | None = Field(default=None, ge=125, le=2_000)
    iops: int | None = Field(default=None, ge=3_000, le=80_000)


class RunnerSpec(Written):
    """A wish for a machine. None (or empty) means: not said, so a named spec or the default decides.

    ``no_gpu`` is an explicit ``gpu=0``. ``idle`` and ``life`` are seconds, ``ram`` GiB, ``price`` dollars an hour.
    """

    spec: str | None = None
    gpu: tuple[GpuWish, ...] = ()
    no_gpu: bool = False
    type: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    cpu: Range | None = None
    ram: Range | None = None
    arch: tuple[str, ...] = ()
    image: str | None = None
    profile: str | None = None
    spot: SpotUse | None = None
    region: tuple[str, ...] = ()
    zone: tuple[str, ...] = ()
    disk: Disk | None = None
    idle: int | None = Field(default=None, ge=1, le=DAY)
    life: int | None = Field(default=None, ge=1, le=GITHUB_JOB_LIMIT)
    retry: Retry | None = None
    price: float | None = Field(default=None, gt=0)

    def over(self, base: RunnerSpec) -> RunnerSpec:
        """This wish laid over another: what is said here wins, what is not is taken from ``base``.

        Naming a GPU here also sets aside the base's ``gpu=0`` and the other way round; naming a type or a family
        sets aside the hardware that the base describes.
        """
        said = self.model_dump(exclude_defaults=True)
        under = base.model_dump(exclude_defaults=True)
        if "gpu" in said or "no_gpu" in said:
            under.pop("gpu", None)
            under.pop("no_gpu", None)
        if "type" in said or "family" in said:
            for key in ("type", "family", "gpu", "no_gpu", "cpu", "ram"):
                under.pop(key, None)
        return RunnerSpec.model_validate({**under, **said})


class Bounds(Written):
    """What may be bounded for some repositories more tightly or more loosely than for all.

    None (or not written) means: what the wider policy says. Lists replace the wider ones. ``max_machines`` and
    ``dollars_per_day`` count everything that the same entry covers together. ``specs`` are the named specs that may be
    used; ``require_environment`` are environments (or ``*`` for any), one of which must have let the job through.
    """

    max_machines: int | None = Field(default=None, ge=0, le=1_000_000)
    dollars_per_day: float | None = Field(default=None, ge=0)
    max_price: float | None = Field(default=None, gt=0)
    max_life: int | None = Field(default=None, ge=1, le=GITHUB_JOB_LIMIT)
    max_idle: int | None = Field(default=None, ge=1, le=DAY)
    max_reruns: int | None = Field(default=None, ge=0, le=50)
    gpus: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    images: tuple[str, ...] | None = None
    profiles: tuple[str, ...] | None = None
    specs: tuple[str, ...] | None = None
    specs_only: bool | None = None
    require_environment: tuple[str, ...] | None = None
    public_repositories: bool | None = None
    forks: bool | None = None
    pull_request_target: bool | None = None
    merge_queue_spot: bool | None = None


class Cap(Written):
    """How much all repositories that a pattern covers may have together."""

    pattern: str
    machines: int | None = None
    dollars_per_day: float | None = None

    def covers(self, repo: str) -> bool:
        """Whether a repository counts; case does not."""
        return fnmatchcase(repo.lower(), self.pattern.lower())


class Policy(Written):
    """Bounds that no label can cross, and the deadlines of every lease (seconds).

    Empty lists of images, types, regions mean "any"; an empty list of profiles means "none": a profile is a permission.
    ``max_machines`` counts everything of one owner at once, ``max_tries`` the machines for one job,
    ``max_reruns`` how often a run is repeated because AWS took a machine back;
    ``breaker_*`` stop launching for a label set after so many failures within a window, for a pause;
    ``spot_breaker_*`` buy on demand after so many interruptions of the same wish within a window, for a pause.
    ``refusal_memory`` is how long a pool that said no is left out, ``backoff_limit`` the longest pause between two
    searches when nothing could be had. ``repositories`` bounds some repositories otherwise: the key is ``owner/name``
    or a pattern such as ``owner/*``; the more letters of a pattern are fixed, the later it is applied.
    """

    online_within: int = Field(default=300, ge=1, le=DAY)
    online_within_unbaked: int = Field(default=900, ge=1, le=DAY)
    idle: int = Field(default=300, ge=1, le=DAY)
    max_idle: int = Field(default=HOUR, ge=1, le=DAY)
    max_life: int = Field(default=DAY, ge=1, le=GITHUB_JOB_LIMIT)
    settle: int = Field(default=60, ge=1, le=DAY)
    confirm: int = Field(default=120, ge=1, le=DAY)
    lost_within: int = Field(default=600, ge=1, le=DAY)
    max_machines: int = Field(default=20, ge=0, le=1_000_000)
    max_machines_per_repo: int | None = Field(default=None, ge=0)
    dollars_per_day: float | None = Field(default=None, ge=0)
    max_tries: int = Field(default=5, ge=1, le=50)
    max_reruns: int = Field(default=2, ge=0, le=50)
    max_price: float | None = Field(default=None, gt=0)
    breaker_failures: int = Field(default=3, ge=1, le=100_000)
    breaker_window: int = Field(default=900, ge=60, le=DAY)
    breaker_pause: int = Field(default=1800, ge=60, le=DAY)
    spot_breaker_interruptions: int = Field(default=2, ge=1, le=100_000)
    spot_breaker_window: int = Field(default=900, ge=60, le=DAY)
    spot_breaker_pause: int = Field(default=1800, ge=60, le=DAY)
    refusal_memory: int = Field(default=180, ge=0, le=DAY)
    backoff_limit: int = Field(default=900, ge=0, le=DAY)
    gpus: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    specs: tuple[str, ...] = ()
    specs_only: bool = False
    require_environment: tuple[str, ...] = ()
    public_repositories: bool = False
    forks: bool = False
    pull_request_target: bool = False
    merge_queue_spot: bool = False
    repositories: dict[str, Bounds] = Field(default_factory=dict)

    def of(self, repo: str) -> Policy:
        """The policy for one repository, with everything that its entries say; caps stay with :meth:`caps`."""
        said: dict[str, object] = {}
        for bounds in self._entries(repo).values():
            own = bounds.model_dump(exclude_unset=True, exclude_none=True)
            said |= {key: value for key, value in own.items() if key not in _COUNTED}
        return self.model_copy(update=said) if said else self

    def caps(self) -> tuple[Cap, ...]:
        """Every cap on machines and dollars, that for all of them first."""
        everything = Cap(pattern="*", machines=self.max_machines, dollars_per_day=self.dollars_per_day)
        entries = (
            Cap(pattern=pattern, machines=bounds.max_machines, dollars_per_day=bounds.dollars_per_day)
            for pattern, bounds in self.repositories.items()
            if bounds.max_machines is not None or bounds.dollars_per_day is not None
        )
        return (everything, *entries)

    def _entries(self, repo: str) -> dict[str, Bounds]:
        found = [key for key in self.repositories if fnmatchcase(repo.lower(), key.lower())]
        return {key: self.repositories[key] for key in sorted(found, key=lambda key: (_fixed(key), key))}


_COUNTED = frozenset({"max_machines", "dollars_per_day"})


def _fixed(pattern: str) -> int:
    """How many letters of a pattern are not wildcards; one without any wildcard comes last of all."""
    wild = sum(pattern.count(letter) for letter in "*?[")
    return len(pattern) - wild if wild else 10_000
