"""The logs of a whole run, as the zip archive that GitHub makes of them."""

import io
import re
import zipfile
from collections.abc import Iterator

from runnerkit.sandbox.github.jobs import as_of, jobs_of
from runnerkit.sandbox.github.records import Job
from runnerkit.sandbox.github.refusals import missing
from runnerkit.sandbox.github.state import State

KEY = re.compile(r"([0-9]{1,18})-([0-9]{1,9})")
UNFIT = re.compile(r'[\x00-\x1f"*/:<>?\\|]')
# All that a zip archive may say of when a file was made, so that the same logs are the same bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)


def of_attempt(state: State, key: str) -> list[tuple[str, str]]:
    """Give names and texts of the logs of ``RUN-ATTEMPT``: one for each job, and one for each step below it.

    Raises:
        Refused: 404 when there is no such run or attempt.
    """
    named = KEY.fullmatch(key)
    run = state.live.runs.get(int(named[1])) if named else None
    seen = as_of(run, int(named[2])) if named and run else None
    if seen is None:
        raise missing()
    done = [each for each in jobs_of(state.live.jobs, seen.latest) if each.log]
    return [file for place, job in enumerate(done) for file in _files(place, job)]


def _files(place: int, job: Job) -> Iterator[tuple[str, str]]:
    folder = UNFIT.sub("_", job.name)
    yield f"{place}_{folder}.txt", job.log
    names = {each.get("number"): str(each.get("name", "")) for each in job.steps}
    for number, text in sorted(job.step_logs.items()):
        yield f"{folder}/{number}_{UNFIT.sub('_', names.get(number, 'step'))}.txt", text


def packed(files: list[tuple[str, str]]) -> bytes:
    """Pack the logs."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files:
            archive.writestr(zipfile.ZipInfo(name, EPOCH), text, zipfile.ZIP_DEFLATED)
    return made.getvalue()
