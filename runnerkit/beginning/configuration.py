"""The commented ``runnerkit.toml``: what was decided, and most keys at their default behind a comment sign. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit.beginning.texts import listed, quoted
from runnerkit.beginning.words import Way
from runnerkit.settings import AwsSettings, GitHubSettings, JournalSettings
from runnerkit.wishes import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from runnerkit.beginning.words import Answers, Found

MACHINES, DOLLARS = 4, 25.0
HEAD = """\
# runnerkit for {repo}.
#
# A line `# key = value` shows a key at its default; take the sign away to change it. What stands further in is an
# example of something that is not set. `runnerkit config check` reads this file, `runnerkit config show` tells what
# holds."""


def text(found: Found, answers: Answers) -> str:
    """The whole file, as :func:`runnerkit.config.load` takes it."""
    parts = [HEAD.format(repo=answers.repo), *(_aws(answers), _github(found, answers), _journal(answers))]
    return "\n\n".join([*parts, _policy(answers), _default(answers), SPECS]) + "\n"


def _default_of(model: type[BaseModel], key: str, comment: str) -> str:
    """A key at its default, behind a comment sign; the default is the code's own."""
    return f"# {comment}\n# {key} = {_toml(model.model_fields[key].default)}"


def _toml(value: Any) -> str:  # noqa: ANN401 - whatever a setting holds
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return listed(value)
    return quoted(value) if isinstance(value, str) else str(value)


def _example(comment: str, line: str) -> str:
    return f"# {comment}; for example:\n#   {line}"


def _section(name: str, lines: Iterator[str]) -> str:
    return "\n".join([f"[{name}]", *lines])


def _aws(answers: Answers) -> str:
    def lines() -> Iterator[str]:
        where = (
            "# Where machines are launched, in this order. Keep them in the region of the data: traffic between costs."
        )
        if answers.region:
            yield f"{where}\nregions = {listed([answers.region])}"
        else:
            yield f"{where}\n# Not set: the region of AWS's own configuration, or AWS_REGION; for example:"
            yield '#   regions = ["eu-west-1"]'
        yield _default_of(
            AwsSettings, "owner", "The installation: machines carry it as a tag, and no others are touched."
        )
        yield _default_of(
            AwsSettings, "subnets", "Where machines are in the network; empty: the region's default subnets."
        )
        yield _default_of(AwsSettings, "security_groups", "Empty: one is made that lets nothing in.")
        yield _example(
            "The image of machines. Not set: the newest that was baked here, else a stock one", 'image = "gpu"'
        )
        yield _default_of(AwsSettings, "secrets", 'How a machine gets its registration: "user-data" or "ssm".')

    return _section("aws", lines())


def _github(found: Found, answers: Answers) -> str:
    def lines() -> Iterator[str]:
        yield "# The repositories that are served. Tokens and keys belong into variables, not here."
        yield f"repositories = {listed([answers.repo])}"
        if found.address.api_url:
            yield f"# Where GitHub's REST API is.\napi_url = {quoted(found.address.api_url)}"
        else:
            yield _default_of(
                GitHubSettings, "api_url", "Where GitHub's REST API is; GITHUB_API_URL is another way to say it."
            )
        yield _example(
            "The App to be, instead of a token; its key is in RUNNERKIT_GITHUB__PRIVATE_KEY", 'app_id = "12345"'
        )
        yield _default_of(
            GitHubSettings, "recovery", "Who repeats runs whose machine AWS took back; detect: look for them."
        )

    return _section("github", lines())


def _journal(answers: Answers) -> str:
    def lines() -> Iterator[str]:
        hosted = answers.way is Way.LAUNCH
        yield (
            "# What AWS and GitHub forget, for `why`, `cost` and budgets. Empty: a file of the computer that launches"
            + (
                "; a\n# hosted job throws that away, so name a bucket to keep it; for example:"
                if hosted
                else "; for example:"
            )
        )
        yield '#   where = "s3://BUCKET/journal"'
        yield _default_of(JournalSettings, "kept_days", "Days after which an entry is dropped.")

    return _section("journal", lines())


def _policy(answers: Answers) -> str:
    def lines() -> Iterator[str]:
        yield "# Bounds that no label can cross."
        yield f"# Most machines at once.\nmax_machines = {MACHINES}"
        yield "# Most dollars a day (UTC); then nothing is launched until midnight. Counted from journal and EC2."
        yield f"dollars_per_day = {DOLLARS}"
        yield _example("Most dollars an hour for one machine. Not set: any price", "max_price = 2.5")
        if answers.way is Way.CONTROLLER and answers.environment:
            yield "# Only jobs that this environment let through."
            yield f"require_environment = {listed([answers.environment])}"
        else:
            yield _default_of(Policy, "require_environment", "Environments, one of which must have let a job through.")
        for key, comment in POLICY.items():
            yield _default_of(Policy, key, comment)

    return _section("policy", lines())


POLICY = {
    "max_life": "Seconds after which a machine ends whatever it does.",
    "idle": "Seconds that a machine waits for its job.",
    "online_within": "Seconds from the launch until its runner must be online; for a stock image see the next key.",
    "online_within_unbaked": "The same for images that were not baked by runnerkit.",
    "max_reruns": "Most times that a run is repeated because AWS took a machine back.",
    "gpus": "The GPU models that labels may name; empty: any.",
    "types": "The instance types that they may name; empty: any.",
    "profiles": "The IAM instance profiles that jobs may use; empty: none.",
    "public_repositories": "Whether jobs of public repositories are served.",
    "forks": "Whether jobs are served that run a fork's code.",
}


MACHINE = """\
# What a label, or `runnerkit launch`, does not say about the machine.
[default]
{hardware}
disk = "100gb"
life = "6h"
# Spot, and on demand when there is none; "only" and "never" are the others.
# spot = "prefer\""""
SPECS = """\
# Machines by name, for labels such as runnerkit=${{ github.run_id }}/spec=large; for example:
#   [specs.large]
#   gpu = "a10g+l4"
#   life = "12h\""""


def _default(answers: Answers) -> str:
    hardware = f"gpu = {quoted(answers.gpu)}" if answers.gpu != "0" else 'gpu = "0"\ncpu = "4"'
    return MACHINE.format(hardware=hardware)
