"""What is asked about: a job, a run, a runner, an instance, or a page of GitHub's that shows one of them. Pure."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from runnerkit.errors import ConfigError
from runnerkit.names import RunnerName

# GitHub's pages of a run, an attempt and a job, and the same things in its API; a job is also a check run.
_PAGE = re.compile(
    r"(?:/api/v3)?(?:/repos)?/(?P<repo>[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+)"
    r"(?:/actions)?/runs/(?P<run>[0-9]{1,19})"
    r"(?:/attempts/(?P<attempt>[0-9]{1,6}))?(?:/jobs?/(?P<job>[0-9]{1,19}))?(?:/.*)?/?"
)
_JOB_IN_API = re.compile(
    r"(?:/api/v3)?/repos/(?P<repo>[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+)/actions/jobs/(?P<job>[0-9]{1,19})/?"
)
_INSTANCE = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_NUMBER = re.compile(r"[0-9]{1,19}")
EXPECTED = "the number of a job or run, a runner like rk-17291-1, an instance like i-0abc..., or a page of a job or run"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about; ``number`` may be a job or a run, ``host`` is the one that an address names."""

    text: str
    repo: str = ""
    host: str = ""
    number: int | None = None
    job: int | None = None
    run: int | None = None
    attempt: int | None = None
    runner: str = ""
    instance: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The question as programs get it."""
        return asdict(self)


def read(text: str, repo: str = "") -> Question:
    """Understand what is asked about.

    Args:
        text: What was typed.
        repo: The repository that is meant, where the text does not name one.

    Raises:
        ConfigError: It is nothing that can be asked about, or it names another repository.
    """
    text = text.strip()
    if "://" in text:
        return _page(text, repo)
    if _NUMBER.fullmatch(text):
        return Question(text, repo, number=int(text))
    if _INSTANCE.fullmatch(text.lower()):
        return Question(text, repo, instance=text.lower())
    if RunnerName.parse(text.lower()) is not None:
        return Question(text, repo, runner=text.lower())
    raise ConfigError(f"{text[:200]!r} is nothing that can be asked about", hint=f"give {EXPECTED}")


def _page(text: str, repo: str) -> Question:
    parts = urlsplit(text)
    found = _PAGE.fullmatch(parts.path) or _JOB_IN_API.fullmatch(parts.path)
    if found is None or parts.scheme not in {"http", "https"}:
        raise ConfigError(f"{text[:200]} shows neither a job nor a run", hint=f"give {EXPECTED}")
    said = found.groupdict()
    if repo and said["repo"].lower() != repo.lower():
        raise ConfigError(f"the address is of {said['repo']}, and --repo says {repo}", hint="leave --repo out")
    job, run, attempt = (int(said[key]) if said.get(key) else None for key in ("job", "run", "attempt"))
    # A check run's page, /runs/N without /actions, is that of a job.
    if "/actions/" not in parts.path and job is None and attempt is None:
        job, run = run, None
    return Question(text, said["repo"], host(text), job=job, run=run, attempt=attempt)


def host(address: str) -> str:
    """The host of a GitHub that an address belongs to; the API's own host counts as its web pages' host."""
    return urlsplit(address).netloc.rpartition("@")[2].lower().removeprefix("api.").removeprefix("www.")
