"""Checks of data: the DVC remote, DVC itself, and the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.doctor.checking import check
from runnerkit.doctor.versions import numbers
from runnerkit.doctor.words import Group, Remark, failure, note, ok, unknown, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.doctor.seen import Observed

# What `runnerkit dvc run` is tested with; before 3 the cache is laid out otherwise.
OLDEST_DVC, TRIED_DVC = (3, 0), (3, 60)


@check(
    "data-region",
    Group.DATA,
    "Do the bucket of the DVC remote and the machines lie in one region?",
    reads=("remote", "identity"),
    levels="nwf",
    todo="Set `regions` in `[aws]` to the bucket's region, or move the bucket.",
)
def region(seen: Observed) -> Iterator[Remark]:
    """Data does not travel between regions."""
    remote = seen.remote.value
    regions = seen.identity.value.regions
    if not remote.url:
        yield ok("no DVC project in this folder")
    elif not remote.url.startswith("s3://"):
        yield note(f"the DVC remote is {remote.url}", "machines on AWS must be able to reach it")
    elif not remote.exists:
        yield failure(
            f"{remote.url}: {remote.why or 'there is no such bucket'}",
            "results cannot be kept, and a job that loses its machine begins anew",
            "correct the url: dvc remote modify NAME url s3://BUCKET/PATH",
        )
    elif remote.region is None:
        yield unknown(f"{remote.url}: {remote.why or 'its region is not told'}", "allow s3:ListBucket on it")
    elif remote.region in regions:
        yield ok(f"{remote.url} is in {remote.region}, and so are machines")
        if set(regions) - {remote.region}:
            yield note(
                f"machines may also run in {', '.join(each for each in regions if each != remote.region)}",
                "data is slower from there, and AWS bills it",
            )
    else:
        yield warning(
            f"{remote.url} is in {remote.region}, and machines run in {', '.join(regions)}",
            "each pull and push is slow, and AWS bills it by the gigabyte",
            f'set regions = ["{remote.region}"] in [aws]',
        )


@check(
    "data-dvc",
    Group.DATA,
    "Which version of DVC is installed here?",
    reads=("tools", "remote"),
    levels="nwf",
    todo="`pip install --upgrade 'dvc[s3]'`; what runs on machines is in the image or in the job's requirements.",
)
def dvc(seen: Observed) -> Iterator[Remark]:
    """DVC is there where it is used, and new enough."""
    version = next((tool.version for tool in seen.tools.value if tool.name == "dvc"), "")
    used, found = bool(seen.remote.value.url), numbers(version)
    upgrade = "pip install --upgrade 'dvc[s3]'"
    if not version:
        if used:
            yield warning(
                "this folder is a DVC project, and DVC is not installed here", "runnerkit dvc needs it", upgrade
            )
        else:
            yield ok("DVC is not installed, and not used in this folder")
    elif found is None:
        yield unknown(f"DVC says that its version is {version!r}")
    elif found < OLDEST_DVC:
        yield failure(f"DVC {version} is too old", "runnerkit dvc reads what DVC 3 writes", upgrade)
    elif found < TRIED_DVC:
        yield note(f"DVC {version}: older than what is tried", "", upgrade)
    else:
        yield ok(f"DVC {version}")


@check(
    "data-journal",
    Group.DATA,
    "Can the journal be read and written?",
    reads=("journal",),
    levels="nf",
    todo="Correct `where` under `[journal]`, the folder's rights, or the policy for the bucket.",
)
def journal(seen: Observed) -> Iterator[Remark]:
    """What AWS and GitHub forget is kept."""
    kept = seen.journal.value
    if kept.unreadable:
        yield failure(
            f"{kept.where} cannot be read: {kept.unreadable}",
            "budgets, breakers and `why` know nothing, so launching is stricter",
            "correct where under [journal], or the rights; docs/iam.md has the policy",
        )
    elif kept.unwritable:
        yield failure(
            f"{kept.where} cannot be written: {kept.unwritable}",
            "cost, refusals and failures are forgotten",
            "correct where under [journal], or the rights; docs/iam.md has the policy",
        )
    else:
        yield ok(f"{kept.where} can be read and written")
        if not seen.config.journal.where:
            yield note(
                "the journal is a file of this computer",
                "passes that run elsewhere, such as in a cron workflow, do not see it",
                'where = "s3://BUCKET/PREFIX" under [journal], if there are others',
            )


CHECKS = (region, dvc, journal)
