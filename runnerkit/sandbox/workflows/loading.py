"""From the text of a workflow file to a workflow that GitHub would take."""

from __future__ import annotations

import re

from runnerkit.sandbox.workflows.checking_jobs import check_jobs
from runnerkit.sandbox.workflows.checking_on import check_on
from runnerkit.sandbox.workflows.checks import (
    concurrency_of,
    defaults_of,
    each_key,
    fixed,
    mapping,
    needed,
    permissions,
    text_of,
    texts_of,
)
from runnerkit.sandbox.workflows.contexts import RUN, WORKFLOW_ENV
from runnerkit.sandbox.workflows.model import Workflow
from runnerkit.sandbox.workflows.reading import Spot, read

_PATH = re.compile(r"\.github/workflows/[^/]+\.ya?ml")
_KEYS = {
    "name": fixed,
    "description": fixed,
    "run-name": text_of(RUN),
    "on": check_on,
    "permissions": permissions,
    "env": texts_of(WORKFLOW_ENV),
    "defaults": defaults_of(None),
    "concurrency": concurrency_of(RUN),
    "jobs": check_jobs,
}


def is_workflow(path: str) -> bool:
    """Tell whether GitHub reads the file at this path of a repository as a workflow."""
    return _PATH.fullmatch(path) is not None


def load(path: str, content: str) -> Workflow:
    """Read and check a workflow file.

    Args:
        path: The file's path in the repository, for messages and as the workflow's name where it has none.
        content: What stands in it.

    Raises:
        WorkflowInvalid: GitHub would refuse it.
    """
    source = read(path, content)
    root = Spot(source, (), source.value)
    mapping(root)
    needed(root, "on", "it names the events that start the workflow, for example `on: push`")
    needed(root, "jobs", "a workflow has at least one job")
    each_key(root, _KEYS)
    return Workflow(path, source)
