"""What is asked, what is taken when nobody is asked, and what answers may be. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runnerkit import labels
from runnerkit.beginning.texts import environment_name
from runnerkit.beginning.words import Answers, Way
from runnerkit.errors import ConfigError, LabelError
from runnerkit.names import REGION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runnerkit.beginning.words import Found

NO_GPU = "0"
# An environment without reviewers asks nobody, and yet limits who can be AWS's role: `setup aws` trusts this one.
USUAL_ENVIRONMENT = "gpu"
NONE = "none"


ENVIRONMENT = "Environment of the jobs that launch, where you may name people who approve; none for none"


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that is asked on a terminal: the key of the answer, the words, what is taken without an answer."""

    key: str
    text: str
    default: str


def questions(found: Found, given: Mapping[str, str]) -> tuple[Question, ...]:
    """What is still to be asked: nothing that was given or found."""
    every = [
        # A plain text: of an enumeration the terminal would list the members again.
        Question("way", "Who launches machines: a job of the workflow (launch), or a controller", Way.LAUNCH.value),
        Question("gpu", "GPU, such as t4, a10g, l4 or any; 0 for none", usual_gpu(found)),
        Question("environment", ENVIRONMENT, usual_environment(given)),
    ]
    if not found.region:
        every.insert(2, Question("region", "AWS region, such as eu-west-1; empty to decide later", ""))
    return tuple(each for each in every if each.key not in given)


def usual_gpu(found: Found) -> str:
    """A T4, unless the packages are known and none of them computes on a GPU."""
    known = found.packages.files and not found.packages.gpu_library
    return NO_GPU if known else "t4"


def usual_environment(given: Mapping[str, str]) -> str:
    """A job that launches has an environment, because the role that it takes trusts nobody else."""
    return USUAL_ENVIRONMENT if _way(given.get("way", "") or Way.LAUNCH) is Way.LAUNCH else NONE


def decide(found: Found, given: Mapping[str, str]) -> Answers:
    """The answers: what was given, else what was found, else the usual.

    Raises:
        ConfigError: An answer cannot be used; says what would be.
    """
    answers = Answers(
        repo=found.address.repo,
        way=_way(given.get("way", "") or Way.LAUNCH),
        gpu=_gpu(given.get("gpu", "") or usual_gpu(found)),
        region=_region(given.get("region", "") or found.region),
        environment=environment_name(given.get("environment", usual_environment(given))),
    )
    return replace(answers, environment="") if answers.environment.lower() == NONE else answers


def _way(text: str) -> Way:
    try:
        return Way(text.strip().lower())
    except ValueError:
        raise ConfigError(f"{text!r} is no way", hint=f"ways are {' and '.join(Way)}") from None


def _gpu(text: str) -> str:
    gpu = text.strip().lower()
    if gpu == "none":
        return NO_GPU
    try:
        labels.parse(f"{labels.WORD}/gpu={gpu}")
    except LabelError as error:
        raise ConfigError(f"{text!r} is no GPU: {error.message}", hint=error.hint) from None
    # What the grammar takes and a shell would not, such as a key behind a slash.
    if not gpu.replace("+", "").replace("-", "").isalnum():
        raise ConfigError(f"{text!r} is no GPU", hint="such as t4, 2xl4, t4+l4, any, or 0 for none")
    return gpu


def _region(text: str) -> str:
    region = text.strip().lower()
    if region and not REGION.fullmatch(region):
        raise ConfigError(f"{text!r} is no AWS region", hint="a region is such as eu-west-1")
    return region
