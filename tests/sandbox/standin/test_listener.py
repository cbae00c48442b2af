from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.sandbox import standin
from runnerkit.sandbox.github import jobs
from tests.sandbox.standin.running import PATIENCE, StandIn, payload, said, until

if TYPE_CHECKING:
    from runnerkit.sandbox.github import GitHubWorld

NOBODY = 65534
FAST = {"RUNNERKIT_STANDIN_PACE": "0.001"}


def test_the_root_looks_like_the_real_one(runner: StandIn) -> None:
    """Programs, scripts and folders have GitHub's names, and a README says what this is."""
    programs = ("bin/Runner.Listener", "bin/Runner.Worker", "run.sh", "run-helper.sh", "config.sh", "env.sh")
    assert all(os.access(runner.root / each, os.X_OK) for each in programs)
    assert all((runner.root / each).is_dir() for each in ("externals", "_diag"))
    assert "stand-in" in (runner.root / "README").read_text()


def test_a_variable_that_does_not_fit_a_line_is_refused(tmp_path: Path) -> None:
    """`.env` has no quoting: what it cannot hold is an error, not a broken file."""
    with pytest.raises(ValueError, match="'KEY' cannot be written"):
        standin.install(tmp_path / "runner", {"KEY": "one\ntwo"})


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--version",), 0, standin.VERSION),
        (("warmup",), 0, ""),
        (("configure",), 1, "cannot configure"),
        (("remove",), 1, "cannot remove"),
        (("run",), 1, "Not configured."),
        (("run", "--jitconfig", "?"), 1, "cannot be read"),
        (("dance",), 1, "Usage:"),
    ],
)
def test_the_command_line_answers(runner: StandIn, arguments: tuple[str, ...], code: int, text: str) -> None:
    """Every command has its exit code and says why."""
    got, said = runner.call(*arguments)
    assert got == code
    assert text in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_idle_listener_leaves_in_good_order(runner: StandIn, number: int) -> None:
    """Interrupted while it waits: its session ends at once, it exits with 0, its registration stays."""
    with runner.listener(ACTIONS_RUNNER_INPUT_JITCONFIG=runner.blob()) as process:
        until(lambda: any(each.online for each in runner.world.runners()))
        process.send_signal(number)
        assert process.wait(5) == 0
    assert [each.online for each in runner.world.runners()] == [False]
    assert all((runner.root / each).exists() for each in (".runner", ".credentials", ".credentials_rsaparams"))


def test_a_listener_started_again_needs_no_blob(runner: StandIn) -> None:
    """The files in the root are enough, as the unit that restarts it no longer has the configuration."""
    blob = runner.blob()
    with runner.listener("run", "--once", "--jitconfig", blob) as process:
        until(lambda: any(each.online for each in runner.world.runners()))
        process.send_signal(signal.SIGINT)
        process.wait(5)
    job = runner.job({})
    code, said = runner.call()
    assert (code, job.conclusion) == (0, "success"), said
    assert "Job train completed with result: Succeeded" in said


def test_a_vanished_runner_cleans_up_and_exits_with_0(runner: StandIn) -> None:
    """The service drops an idle registration: that is no error of the runner's."""
    with runner.listener(ACTIONS_RUNNER_INPUT_JITCONFIG=runner.blob()) as process:
        until(lambda: any(each.online for each in runner.world.runners()))
        runner.world.vanish_runner(runner.world.runners()[0].id)
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "The runner no longer exists on the server." in said
    assert not (runner.root / ".runner").exists()


def test_a_deleted_registration_is_a_terminated_error(runner: StandIn) -> None:
    """Deleted before it connected: 1, as from the real one, and not tried again."""
    blob = runner.blob()
    runner.world.vanish_runner(runner.world.runners()[0].id)
    code, said = runner.call(ACTIONS_RUNNER_INPUT_JITCONFIG=blob)
    assert code == 1
    assert "registration has been deleted" in said


def test_a_second_listener_gives_up_with_5(runner: StandIn) -> None:
    """A session exists elsewhere: retried for four minutes, here a little faster."""
    blob = runner.blob()
    with runner.listener(ACTIONS_RUNNER_INPUT_JITCONFIG=blob):
        until(lambda: any(each.online for each in runner.world.runners()))
        assert runner.call(ACTIONS_RUNNER_INPUT_JITCONFIG=blob, **FAST)[0] == 5


def test_an_unreachable_service_is_a_retryable_error(runner: StandIn) -> None:
    """Ten errors, then 2: the unit starts it again."""
    blob = runner.blob()
    runner.world.close()
    code, said = runner.call(ACTIONS_RUNNER_INPUT_JITCONFIG=blob, **FAST)
    assert code == 2
    assert "Retrying until reconnected" in said


class Refusal(BaseHTTPRequestHandler):
    """A service that refuses a version."""

    def do_POST(self) -> None:
        """Refuse."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(403)
        self.end_headers()
        self.wfile.write(b'{"message": "Runner version v2.328.0 is deprecated and cannot receive messages."}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("environ", "code"), [({}, 1), ({"ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE": "1"}, 7)]
)
def test_a_deprecated_version_is_told_when_asked(runner: StandIn, environ: dict[str, str], code: int) -> None:
    """7 only for who wants to know it."""
    with HTTPServer(("127.0.0.1", 0), Refusal) as server:
        settings = json.dumps({"ServerUrl": f"http://127.0.0.1:{server.server_port}/"})
        blob = json.dumps({".runner": base64.b64encode(settings.encode()).decode()})
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        encoded = base64.b64encode(blob.encode()).decode()
        assert runner.call(ACTIONS_RUNNER_INPUT_JITCONFIG=encoded, **environ)[0] == code
        thread.join(5)


@pytest.mark.parametrize(("run", "code"), [("true", 100), ("false", 102)])
def test_a_hosted_listener_tells_the_result(runner: StandIn, run: str, code: int) -> None:
    """With the variable of hosted machines the exit code is the job's result."""
    runner.job(payload({"run": run}))
    hosted = {"ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED": "true"}
    assert runner.call(ACTIONS_RUNNER_INPUT_JITCONFIG=runner.blob(), **hosted)[0] == code


def test_a_test_can_choose_the_exit_code(runner: StandIn) -> None:
    """What starts it can be tried with every code."""
    assert runner.call(ACTIONS_RUNNER_INPUT_JITCONFIG=runner.blob(), RUNNERKIT_STANDIN_EXIT="3")[0] == 3


def test_run_sh_hides_a_terminated_error(runner: StandIn) -> None:
    """run.sh exits with 0 where the listener said 1; as root it refuses unless it is allowed."""
    command = [str(runner.root / "run.sh")]
    allowed = runner.environment(RUNNER_ALLOW_RUNASROOT="1")
    done = subprocess.run(command, env=allowed, capture_output=True, text=True, check=False)
    assert (done.returncode, "Not configured." in done.stdout) == (0, True)
    if os.getuid() == 0:
        refused = subprocess.run(command, env=runner.environment(), capture_output=True, text=True, check=False)
        assert (refused.returncode, "Must not run" in refused.stdout) == (1, True)


@pytest.mark.parametrize("worker", ["", "#!/bin/sh\nread line\nexit 77\n"], ids=["worker", "listener"])
def test_an_end_that_breaks_the_service_is_told_again(
    runner: StandIn, monkeypatch: pytest.MonkeyPatch, worker: str
) -> None:
    """Answers of 500 and above say nothing about the job; the local GitHub notes that it gave one."""
    real, breaks = jobs.finish, iter([True])

    def finish(*told: Any) -> None:  # noqa: ANN401 - those of the real one
        if next(breaks, False):
            raise RuntimeError("an inner matter")
        real(*told)

    monkeypatch.setattr(jobs, "finish", finish)
    if worker:
        (runner.root / "bin" / "Runner.Worker").write_text(worker)
    assert runner.steps([{"run": "echo done"}]).conclusion == ("failure" if worker else "success")
    (violation,) = runner.world.violations
    assert violation.endswith("/finish failed: RuntimeError('an inner matter')")
    runner.world.service.violations.clear()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start it as somebody else")
def test_another_user_can_run_it(world: GitHubWorld) -> None:
    """The root holds all that is needed: nothing is read from a folder which that user may not enter."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        runner = StandIn(place / "runner", world)
        for each in [place, runner.home, runner.root, *runner.root.rglob("*")]:
            os.chown(each, NOBODY, NOBODY)
        job = runner.job(payload({"run": "id -u; touch here"}))
        command = [str(runner.root / "bin" / "Runner.Listener"), "run", "--jitconfig", runner.blob()]
        subprocess.run(command, env=runner.environment(), user=NOBODY, group=NOBODY, check=True, timeout=PATIENCE)
        assert job.conclusion == "success", job.annotations
        assert said(job, "Run id -u; touch here").endswith(f"\n{NOBODY}")
