from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.containers.image import PRETTY
from tests.sandbox.containers.podman import IMAGE, Podman
from tests.sandbox.containers.registry import PASSWORD, USER
from tests.sandbox.github_world import REPO
from tests.sandbox.standin.running import StandIn, ended, payload, said

if TYPE_CHECKING:
    from pathlib import Path

    from runnerkit.sandbox.github import GitHubWorld
    from runnerkit.sandbox.github.records import Job

START, STOP = "Initialize containers", "Stop containers"
CI_USER = 1001


def work(*steps: dict[str, Any], **container: Any) -> dict[str, Any]:  # noqa: ANN401 - a tree of JSON
    """A job in a container."""
    return payload(*steps, container={"image": IMAGE, **container})


def lines(job: Job, name: str) -> list[str]:
    """What a step wrote."""
    return said(job, name).splitlines()[2:]


def test_steps_run_in_the_container_as_on_github(runner: StandIn) -> None:
    """Between the two steps GitHub has for it, with GitHub's folders, HOME and shell, and nothing of the machine's."""
    look = {"name": "Look", "run": "cat /etc/os-release; pwd; echo $0; env", "env": {"OWN": "step's"}}
    job = runner.run(work(look, env={"GIVEN": "to the container"}), MACHINES="own")
    assert list(ended(job)) == ["Set up job", START, "Look", STOP, "Complete job"]
    told = lines(job, "Look")
    assert told[:2] == [f'PRETTY_NAME="{PRETTY}"', "/__w/train/train"]
    assert told[2].startswith("/__w/_temp/")
    assert {
        *("HOME=/github/home", "GITHUB_WORKSPACE=/__w/train/train", "RUNNER_TEMP=/__w/_temp", "RUNNER_TOOL_CACHE=/__t"),
        *("GITHUB_EVENT_PATH=/github/workflow/event.json", "GIVEN=to the container", "OWN=step's", "CI=true"),
        *("GITHUB_ACTIONS=true", "PATH=/opt/python/bin:/bin", f"GITHUB_API_URL={runner.world.url}"),
    } <= set(told)
    hidden = ("MACHINES=", "DOCKER_HOST=", "RUNNERKIT_STANDIN", "LANG=")
    assert not [each for each in told if each.startswith(hidden) or str(runner.root) in each]
    assert job.conclusion == "success"


def test_files_and_commands_work_across_steps(runner: StandIn) -> None:
    """Workspace, temporary folder, environment, path, outputs, summary and masks; also the job's own outputs."""
    first = (
        "echo kept >file; echo kept >$RUNNER_TEMP/file; echo Y=2 >>$GITHUB_ENV; echo x=1 >>$GITHUB_OUTPUT\n"
        "echo /opt/tool >>$GITHUB_PATH; echo '# Sum' >>$GITHUB_STEP_SUMMARY; echo '::add-mask::sesame'; echo sesame"
    )
    second = "cat file $RUNNER_TEMP/file; echo $Y ${{ steps.one.outputs.x }} $PATH"
    steps = [{"id": "one", "name": "One", "run": first}, {"name": "Two", "run": second}]
    job = runner.run(work(*steps) | {"outputs": {"x": "${{ steps.one.outputs.x }}"}})
    assert lines(job, "One") == ["***"]
    assert lines(job, "Two") == ["kept", "kept", "2 1 /opt/tool:/opt/python/bin:/bin"]
    assert (job.summaries, job.outputs, job.conclusion) == (["# Sum\n"], {"x": "1"}, "success")
    assert (runner.root / "_work/train/train/file").read_text() == "kept\n"


def test_the_runners_secrets_are_not_in_the_container(runner: StandIn) -> None:
    """What the runner keeps beside the temporary folder is hidden, though the folder itself is mounted."""
    job = runner.run(work({"name": "Look", "run": "ls -A /__w/_temp/_standin; echo nothing"}))
    assert lines(job, "Look") == ["nothing"]


def test_shells_and_folders_are_those_of_the_container(runner: StandIn) -> None:
    """The shell that was asked for, folders that only the container has, exit codes; what it lacks fails the step."""
    steps: list[dict[str, Any]] = [
        {"name": "Bash", "run": "echo $BASH $PWD", "shell": "bash", "working-directory": "/opt"},
        {"name": "Below", "run": "mkdir deep; cd deep; pwd"},
        {"name": "Relative", "run": "pwd", "working-directory": "deep"},
        {"name": "Lacks", "run": "import this", "shell": "perl {0}", "continue-on-error": True},
        {"name": "Leaves", "run": "exit 7"},
    ]
    job = runner.run(work(*steps))
    assert lines(job, "Bash") == ["/bin/bash /opt"]
    assert lines(job, "Relative") == ["/__w/train/train/deep"]
    assert "perl" in said(job, "Lacks")
    assert job.annotations[-1] == "Process completed with exit code 7."
    assert (job.conclusion, ended(job)[STOP]) == ("failure", "success")


@pytest.mark.parametrize("image", ["", None])
def test_an_empty_image_is_no_container(runner: StandIn, image: str | None) -> None:
    """A matrix may leave a leg without a container: its steps run on the machine, as on GitHub."""
    job = runner.run(payload({"name": "Look", "run": "pwd"}, container={"image": image}))
    assert lines(job, "Look") == [str(runner.root / "_work/train/train")]
    assert START not in ended(job)


def test_hooks_run_on_the_machine(runner: StandIn, tmp_path: Path) -> None:
    """Before and after the container, in bash whatever the job's default shell, with the machine's variables."""
    for name in ("started", "completed"):
        (tmp_path / f"{name}.sh").write_text(f'[[ "$MACHINES" ]] && echo {name} >>"{tmp_path}/hooks"; pwd\n')
    hooks = {
        f"ACTIONS_RUNNER_HOOK_JOB_{each.upper()}": str(tmp_path / f"{each}.sh") for each in ("started", "completed")
    }
    job = runner.run(
        work({"name": "Work", "run": "true"}) | {"defaults": {"run": {"shell": "sh"}}}, MACHINES="own", **hooks
    )
    assert list(ended(job).items()) == [
        (name, "success")
        for name in ("Set up job", "Set up runner", START, "Work", STOP, "Complete runner", "Complete job")
    ]
    assert (tmp_path / "hooks").read_text() == "started\ncompleted\n"


def test_a_private_image_needs_the_jobs_credentials(runner: StandIn, podman: Podman, world: GitHubWorld) -> None:
    """Signed in with a secret, for this pull alone; the next job without it is refused by the registry."""
    world.state.repository(REPO).secrets["PULL"] = PASSWORD
    image = f"{podman.registry.host}/team/private:1"
    credentials = {"username": USER, "password": "${{ secrets.PULL }}"}
    job = runner.run(work({"name": "Look", "run": "cat /etc/os-release"}, image=image, credentials=credentials))
    assert lines(job, "Look") == [f'PRETTY_NAME="{PRETTY}"']
    assert f"Signing in at {podman.registry.host} as {USER}" in said(job, START)
    assert PASSWORD not in job.log
    assert podman.registry.signed > 0
    podman.call("rmi", image)
    wrong = {"username": USER, "password": "guessed"}
    refused = StandIn(runner.root.parent / "second", world).run(work({"run": "true"}, image=image, credentials=wrong))
    assert refused.conclusion == "failure"
    assert f"The image {image} cannot be pulled" in refused.annotations[0]
    assert "guessed" not in refused.log


@pytest.mark.parametrize(
    ("container", "text"),
    [
        ({"options": "--gpus all"}, "ask for GPUs ('--gpus all'), and this machine has none"),
        ({"options": "--network host"}, "--network cannot be used: GitHub's runner does not support it"),
        ({"options": "--frobnicate 3"}, "--frobnicate is not understood by the stand-in runner; it knows --add-host,"),
        ({"options": "--shm-size much"}, "--shm-size has a value that cannot be read: much"),
        ({"image": "127.0.0.1:1/none"}, "The image 127.0.0.1:1/none:latest cannot be pulled"),
        ({"ports": ["8080:80"]}, "port 8080:80 cannot be another one outside"),
    ],
)
def test_what_cannot_be_done_is_said(runner: StandIn, container: dict[str, Any], text: str) -> None:
    """The step that starts the container fails with the reason, nothing of the job is run, hooks and the end are."""
    if "gpus" in str(container) and os.path.exists("/dev/nvidia0"):  # noqa: PTH110 - a device
        pytest.skip("this computer has a GPU")
    always = {"name": "Always", "run": "true", "if": "always()"}
    job = runner.run(work({"name": "Work", "run": "true"}, always, **container))
    assert text in job.annotations[0]
    assert [ended(job)[each] for each in (START, "Work", STOP)] == ["failure", "skipped", "success"]
    assert "could not be run in the container: it was never started" in said(job, "Always")


def test_options_and_volumes_reach_the_engine(runner: StandIn, tmp_path: Path) -> None:
    """Users, limits, folders of the machine and volumes; a volume that the job named goes with the job."""
    (tmp_path / "data").write_text("from the machine\n")
    look = "id -u; ulimit -n; cat /data; touch /named/file /anonymous/file; stat -f -c %b:%S /dev/shm; echo $A"
    job = runner.run(
        work(
            {"name": "Look", "run": look},
            options="--user 0:0 --ulimit nofile=99:99 --ulimit nproc=1024 --shm-size=1m -e 'A=b c' --cap-drop NET_RAW",
            volumes=[f"{tmp_path}/data:/data:ro", "named:/named", "/anonymous"],
        )
    )
    assert lines(job, "Look") == ["0", "99", "from the machine", "256:4096", "b c"], job.log


def test_a_foreign_user_leaves_nothing_in_the_way(runner: StandIn, tmp_path: Path) -> None:
    """Closed folders of the container's root hinder neither the hook nor the next job of the same root."""
    (tmp_path / "completed.sh").write_text('echo end >>"$GITHUB_WORKSPACE/hook"\n')
    hook = {"ACTIONS_RUNNER_HOOK_JOB_COMPLETED": str(tmp_path / "completed.sh")}
    closed = {"name": "Close", "run": "mkdir -p a/b && touch a/b/c $HOME/d $RUNNER_TEMP/e && chmod 0 a/b a"}
    first = runner.run(work(closed), **hook)
    assert first.conclusion == "success"
    second = runner.job(work({"name": "Look", "run": "cat hook; touch new"}))
    assert runner.call(ACTIONS_RUNNER_INPUT_JITCONFIG=runner.blob("rk-2"), **hook)[0] == 0
    assert (second.conclusion, lines(second, "Look")) == ("success", ["end"])


@pytest.mark.parametrize(("user", "answers"), [(CI_USER, ["1001", "written"]), (1000, ["1001", "not writable"])])
def test_user_1001_may_write_when_the_runner_has_that_number(runner: StandIn, user: int, answers: list[str]) -> None:
    """As GitHub's own runner is 1001, such images work there; a runner of another number owns a folder they may not."""
    look = {
        "name": "Look",
        "run": "id -u; echo x=written >>$GITHUB_OUTPUT && touch file && echo written || echo not writable",
    }
    job = runner.job(work(look | {"shell": "sh {0}"}, options=f"--user {CI_USER}"))
    for each in (runner.root, runner.home):
        _give(each, user)
    command = [str(runner.root / "bin" / "Runner.Listener"), "run"]
    environ = runner.environment(ACTIONS_RUNNER_INPUT_JITCONFIG=runner.blob())
    subprocess.run(command, env=environ, user=user, group=user, extra_groups=[], check=True, timeout=30)
    assert [each for each in lines(job, "Look") if "denied" not in each.lower()] == answers, job.log


def _give(folder: Path, user: int) -> None:
    subprocess.run(["chown", "-R", f"{user}:{user}", str(folder)], check=True)  # noqa: S607 - as found
    for each in folder.parents:
        if not each.stat().st_mode & stat.S_IXOTH:
            each.chmod(0o755)
