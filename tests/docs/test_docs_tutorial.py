"""The tutorial is typed as it is written, block after block, and keeps what it promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.shells import environment, of_page, python, shell

if TYPE_CHECKING:
    from pathlib import Path

# What a reader does between two commands: wait until the job is over.
WAITING = """
for _ in $(seq 300); do
  curl --silent --header "Authorization: Bearer $GITHUB_TOKEN" \\
    "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/actions/jobs/63000000000" > ../job.json
  grep --quiet '"completed"' ../job.json && break
  sleep 0.2
done
"""


@pytest.mark.slow
def test_the_tutorial_leads_to_a_green_job_and_leaves_nothing(tmp_path: Path) -> None:
    """A job waits, a pass is planned and made, a machine takes the job, and `why` answers as the page shows."""
    environ = environment(tmp_path)
    script = "\n".join(block.text for block in of_page("docs/tutorial.md", "sh"))
    script = script.replace("--detach", "--detach --boot 0.3", 1)
    script = script.replace("runnerkit why", f"{WAITING}\nrunnerkit why", 1)
    try:
        done = shell(script, tmp_path, environ)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        left = python(["-m", "runnerkit", "sandbox", "down"], tmp_path, environ)
    told = done.stdout + done.stderr
    assert "g4dn.xlarge" in told
    assert "launched i-" in told
    assert "would launch rk-63000000000-1 for runnerkit=21000000000/gpu=t4" in told
    assert "job 63000000000 ended with success" in told
    assert left.stdout == "no sandbox was up\n"
