from __future__ import annotations

import json
import shutil
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from tests.sandbox.standin.running import StandIn, ended, payload, said, until

if TYPE_CHECKING:
    from pathlib import Path


def test_two_steps_run_where_github_runs_them(runner: StandIn) -> None:
    """The workspace is `_work/<repository>/<repository>`, and the log names the steps as GitHub does."""
    job = runner.steps([{"run": "pwd\necho one >file"}, {"name": "Look", "run": "cat file; pwd -P"}])
    workspace = str(runner.root / "_work" / "train" / "train")
    assert ended(job) == dict.fromkeys(["Set up job", "Run pwd", "Look", "Complete job"], "success")
    assert [each["number"] for each in job.steps] == [1, 2, 3, 4]
    assert said(job, "Run pwd").splitlines() == ["##[group]Run pwd", "##[endgroup]", workspace]
    assert said(job, "Look").splitlines()[2:] == ["one", workspace]
    assert job.conclusion == "success"


def test_steps_have_the_real_variables(runner: StandIn) -> None:
    """Values of the run and the runner, no terminal, no standard input, nothing of act or of the listener's secret."""
    github = {
        "ref": "refs/pull/7/merge",
        "head_ref": "longer",
        "actor": "hubot",
        "event_name": "push",
        "event": {"a": 1},
    }
    script = 'env; cat; tty || cat "$GITHUB_EVENT_PATH"'
    job = runner.run(
        payload({"name": "Look", "run": script}, github=github),
        RUNNERKIT_ROOT="/somewhere",
    )
    lines = said(job, "Look").splitlines()
    root = runner.root
    assert {
        "CI=true",
        "GITHUB_ACTIONS=true",
        "GITHUB_ACTOR=hubot",
        f"GITHUB_API_URL={runner.world.url}",
        f"GITHUB_SERVER_URL={runner.world.url}",
        "GITHUB_HEAD_REF=longer",
        "GITHUB_JOB=train",
        "GITHUB_REF=refs/pull/7/merge",
        "GITHUB_REPOSITORY=acme/train",
        "GITHUB_RUN_ATTEMPT=1",
        f"GITHUB_RUN_ID={job.run_id}",
        f"GITHUB_WORKSPACE={root}/_work/train/train",
        "RUNNERKIT_ROOT=/somewhere",
        "RUNNER_NAME=rk-1",
        f"RUNNER_TEMP={root}/_work/_temp",
        f"RUNNER_TOOL_CACHE={root}/_work/_tool",
        '{"a": 1}',
        "not a tty",
    } <= set(lines)
    hidden = (
        "ACT=",
        "ACT_",
        "GODEBUG=",
        "ACTIONS_RUNNER_INPUT_JITCONFIG",
        "RUNNERKIT_STANDIN_ST",
        "DOCKER_HOST",
        "GITHUB_TOKEN",
    )
    assert not [line for line in lines if line.startswith(hidden)]
    assert not any(str(root / "bin" / "shims") in line for line in lines)


def test_what_is_for_act_alone_is_hidden_from_steps(runner: StandIn) -> None:
    """What a workflow itself says of Go is for the programs of its steps."""
    own = {"env": {"GODEBUG": "http2debug=1"}}
    job = runner.steps(
        [{"run": "echo said $GODEBUG", "name": name} | more for name, more in (("No", {}), ("Yes", own))]
    )
    assert [said(job, name).splitlines()[2:] for name in ("No", "Yes")] == [["said"], ["said http2debug=1"]]


def test_nobody_is_called_at_home(runner: StandIn) -> None:
    """Neither the stand-in nor act asks outside whether there is news: a proxy on the way there hears nothing."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        there = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        assert runner.steps([{"run": "echo done"}], HTTPS_PROXY=there).conclusion == "success"
        with pytest.raises(BlockingIOError):
            proxy.accept()


STUCK_ACT = f"""#!{sys.executable}
import os, pty, tty
from pathlib import Path

master, slave = pty.openpty()
tty.setraw(slave)
while not os.read(master, 4096).endswith(bytes([4])):
    pass
Path(os.environ["RUNNERKIT_STANDIN_STATE"], "outputs.json").write_text("{{}}")
"""


def test_an_act_that_is_stuck_after_a_step_is_helped_on(runner: StandIn) -> None:
    """The real one waits for the terminal of a step that has ended, once in some thousand steps; this one at once."""
    act, written = runner.root / "bin/act", runner.root / "bin/standin.json"
    act.write_text(STUCK_ACT)
    act.chmod(0o755)
    written.write_text(json.dumps(json.loads(written.read_text()) | {"act": str(act)}))
    assert runner.steps([{"run": "never"}]).conclusion == "success"
    (diary,) = (runner.root / "_diag").glob("Worker_*.log")
    assert "act was stuck after a step and is helped on" in diary.read_text()


def test_expressions_know_the_runner(runner: StandIn) -> None:
    """What only the runner knows is filled in: contexts, step outputs, environment, the token (masked in the log)."""
    job = runner.run(
        payload(
            {"id": "one", "run": "echo x=1 >>$GITHUB_OUTPUT; echo Y=2 >>$GITHUB_ENV; echo $PWD >>$GITHUB_PATH"},
            {
                "name": "Value ${{ steps.one.outputs.x }}",
                "run": "echo ${{ github.workspace }} ${{ runner.temp }} ${{ runner.name }} ${{ env.Y }} ${{ env.Z }}\n"
                "echo 'runner.temp ${{ 'runner.temp' }}' ${{ github.token }}; echo $PATH",
                "env": {"Z": "${{ runner.os }}"},
            },
            {"name": "Never", "run": "true", "if": "runner.os == 'Windows'"},
            outputs={"x": "${{ steps.one.outputs.x }}", "secret": "it is ${{ github.token }}"},
        )
    )
    work = runner.root / "_work"
    lines = said(job, "Value 1").splitlines()[2:]
    assert lines[0] == f"{work}/train/train {work}/_temp rk-1 2 Linux"
    assert lines[1] == "runner.temp runner.temp ***"
    assert lines[2].startswith(f"{work}/train/train:")
    assert ended(job)["Never"] == "skipped"
    assert job.outputs == {"x": "1"}
    assert job.annotations == ["Skip output 'secret' since it may contain secret."]


def test_commands_become_annotations_masks_and_summaries(runner: StandIn) -> None:
    """What steps say by commands and files reaches the service."""
    script = (
        "echo '::error file=a.py,line=3::bad%0Aworse'; echo '::warning::hm'; echo '::add-mask::sesame'\n"
        "echo open sesame; echo '::stop-commands::end'; echo '::error::no'; echo '::end::'; echo '::notice::so'\n"
        "echo '# Sum' >>$GITHUB_STEP_SUMMARY; printf 'no end of line'"
    )
    job = runner.steps([{"name": "Say", "run": script}])
    assert job.annotations == ["bad\nworse", "hm", "so"]
    assert job.summaries == ["# Sum\n"]
    lines = said(job, "Say").splitlines()
    assert "open ***" in lines
    assert "::error::no" in lines
    assert lines[-1] == "no end of line"
    assert job.conclusion == "success"


@pytest.mark.parametrize("shell", ["", "bash", "sh", "python", "perl {0}"])
def test_shells(runner: StandIn, shell: str) -> None:
    """The usual shells and one given as a command; the exit code is told in the log."""
    step = {"name": "Leave", "run": "import sys; sys.exit(7)" if shell == "python" else "exit 7"}
    job = runner.steps([step | ({"shell": shell} if shell else {})])
    assert (job.conclusion, job.annotations) == ("failure", ["Process completed with exit code 7."])


def test_failures_decide_what_runs_on(runner: StandIn) -> None:
    """continue-on-error excuses a step; a failure skips the rest except what asks for it."""
    job = runner.steps(
        [
            {"name": "Excused", "run": "exit 3", "continue-on-error": True},
            {"name": "Runs", "run": "true"},
            {"name": "Fails", "run": "false"},
            {"name": "Skipped", "run": "true"},
            {"name": "On failure", "run": "true", "if": "failure()"},
            {"name": "Always", "run": "true", "if": "${{ always() }}"},
        ]
    )
    assert job.conclusion == "failure"
    assert ended(job) == {
        "Set up job": "success",
        "Excused": "success",
        "Runs": "success",
        "Fails": "failure",
        "Skipped": "skipped",
        "On failure": "success",
        "Always": "success",
        "Complete job": "success",
    }


def test_the_log_is_seen_while_the_job_runs(runner: StandIn, tmp_path: Path) -> None:
    """Lines and the steps' status arrive before the step is over."""
    go_on = tmp_path / "go on"
    job = runner.job(payload({"name": "Wait", "run": f"echo begun; until [ -e '{go_on}' ]; do sleep 0.05; done"}))
    with runner.listener(ACTIONS_RUNNER_INPUT_JITCONFIG=runner.blob()) as process:
        until(lambda: "begun" in job.log)
        until(lambda: any(each["name"] == "Wait" and each["status"] == "in_progress" for each in job.steps))
        assert job.status == "in_progress"
        go_on.touch()
        assert process.wait(10) == 0
    assert job.conclusion == "success"


def test_a_step_has_its_time(runner: StandIn) -> None:
    """Fractions of minutes count; the job goes on as after any failure."""
    job = runner.steps(
        [
            {"name": "Long", "run": "exec sleep 600", "timeout-minutes": 0.005},
            {"name": "After", "run": "true", "if": "failure()"},
        ],
        RUNNERKIT_STANDIN_PACE="0.01",
    )
    assert ended(job)["Long"] == "failure"
    assert ended(job)["After"] == "success"
    assert "The action 'Long' has timed out after 0.005 minutes." in job.annotations


def test_a_job_has_its_time(runner: StandIn) -> None:
    """A job that takes too long is cancelled; always() steps run."""
    slow = payload({"name": "Long", "run": "exec sleep 600"}, {"name": "Always", "run": "true", "if": "always()"})
    slow["job"]["timeout_minutes"] = 0.01
    job = runner.run(slow, RUNNERKIT_STANDIN_PACE="0.01")
    assert job.conclusion == "cancelled"
    assert ended(job) | {"Long": "cancelled", "Always": "success"} == ended(job)
    assert "has exceeded the maximum execution time of 0.01 minutes." in job.annotations[0]


def test_hooks_run_as_steps(runner: StandIn, tmp_path: Path) -> None:
    """Both hooks are steps with GitHub's names; one that fails fails the job, and the completed hook still runs."""
    for name, code in (("started", 3), ("completed", 0)):
        (tmp_path / f"{name}.sh").write_text(f"echo {name} $GITHUB_JOB\nexit {code}\n")
    hooks = {
        f"ACTIONS_RUNNER_HOOK_JOB_{name.upper()}": str(tmp_path / f"{name}.sh") for name in ("started", "completed")
    }
    job = runner.steps([{"name": "Work", "run": "true"}], **hooks)
    assert ended(job) == {
        "Set up job": "success",
        "Set up runner": "failure",
        "Work": "skipped",
        "Complete runner": "success",
        "Complete job": "success",
    }
    assert "completed train" in said(job, "Complete runner")
    assert job.conclusion == "failure"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"steps": [{"run": "touch ran"}, {"uses": "octo/unknown@v1"}]}, "Unable to resolve action octo/unknown@v1"),
        ({"steps": [{"uses": "docker://alpine"}]}, "starts no container for a single step"),
        (
            {"container": {"image": "alpine"}},
            "This job has `container:`, and the stand-in runner was given no container",
        ),
        ({"services": {"db": {"image": "postgres"}}}, "This job has `services:`"),
    ],
)
def test_what_cannot_be_had_fails_before_the_first_step(runner: StandIn, more: dict[str, object], text: str) -> None:
    """No silent skip and no download: the job fails and says what it asked for and what there is."""
    job = runner.run(payload({"run": "touch ran"}) | more)
    assert job.conclusion == "failure"
    assert text in job.annotations[0]
    assert ended(job) == {"Set up job": "failure", "Complete job": "skipped"}
    assert not list(runner.root.rglob("ran"))


def test_an_action_of_the_repository_works(runner: StandIn, tmp_path: Path) -> None:
    """`uses: ./path` runs a composite action that is in the workspace by then, and nested substitutes."""
    action = (
        "name: Mine\ndescription: Mine\ninputs: { who: { description: Who } }\n"
        "outputs: { said: { description: What, value: '${{ steps.say.outputs.said }}' } }\n"
        "runs:\n  using: composite\n  steps:\n"
        "    - { id: say, shell: bash, run: 'pwd; echo said=hello-${{ inputs.who }} >>$GITHUB_OUTPUT' }\n"
        "    - { uses: actions/cache@v4, with: { key: k, path: p } }\n"
    )
    (tmp_path / "action.yml").write_text(action)
    job = runner.run(
        payload(
            {"run": f"mkdir mine; cp '{tmp_path}/action.yml' mine"},
            {"id": "mine", "name": "Mine", "uses": "./mine", "with": {"who": "you"}},
            {"name": "See", "run": "echo ${{ steps.mine.outputs.said }}"},
        )
    )
    assert job.conclusion == "success", job.log
    assert f"{runner.root}/_work/train/train" in said(job, "Mine")
    assert "Cache not found for input keys: k" in said(job, "Mine")
    assert "hello-you" in said(job, "See")


def test_what_a_job_leaves_running_is_ended(runner: StandIn, tmp_path: Path) -> None:
    """Processes in the background do not outlive the job."""
    job = runner.steps([{"run": f"sleep 300 & echo $! >'{tmp_path}/pid'"}])
    pid = int((tmp_path / "pid").read_text())
    assert job.conclusion == "success"
    until(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    from pathlib import Path

    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and ") Z " not in stat.read_text()


def test_secrets_with_every_character_reach_steps(runner: StandIn) -> None:
    """Quotes, dollars and lines survive; each line is masked."""
    value = 'it\'s "$HOME" #1 \\n\nsecond line'
    runner.world.state.repository("acme/train").secrets["KEY"] = value
    job = runner.steps([{"name": "Show", "run": 'echo "$KEY"; echo "${#KEY}"', "env": {"KEY": "${{ secrets.KEY }}"}}])
    assert said(job, "Show").splitlines()[2:] == ["***", "***", str(len(value))]


def test_defaults_hold_for_run_steps(runner: StandIn) -> None:
    """Folder and shell of `defaults` are those of steps that name none."""
    defaults = {"run": {"shell": "python", "working-directory": "below"}}
    make = {"run": "mkdir below", "shell": "sh", "working-directory": "."}
    look = {"name": "Look", "run": "import os; print(os.getcwd())"}
    job = runner.run(payload(make, look, defaults=defaults))
    assert said(job, "Look").splitlines()[2:] == [f"{runner.root}/_work/train/train/below"]


def test_the_roots_env_file_reaches_listener_and_steps(runner: StandIn) -> None:
    """What `.env` holds is set before anything else, and steps have it too."""
    (runner.root / ".env").write_text("FROM_FILE=a=b c\nACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED=true\n")
    job = runner.job(payload({"name": "Look", "run": "echo $FROM_FILE"}))
    assert runner.call(ACTIONS_RUNNER_INPUT_JITCONFIG=runner.blob())[0] == 100
    assert said(job, "Look").splitlines()[2:] == ["a=b c"]


def test_a_summary_has_its_limit(runner: StandIn) -> None:
    """Beyond a mebibyte it is refused with GitHub's words."""
    script = "head -c 1100000 /dev/zero | tr '\\0' x >>$GITHUB_STEP_SUMMARY"
    job = runner.steps([{"name": "Much", "run": script}, {"run": "echo fine >>$GITHUB_STEP_SUMMARY"}])
    assert job.summaries == ["fine\n"]
    assert "supports content up to a size of 1024k" in job.annotations[0]


def test_a_job_without_steps_succeeds(runner: StandIn) -> None:
    """What a test queues without a workflow is over at once."""
    job = runner.run({})
    assert (job.conclusion, list(ended(job))) == ("success", ["Set up job", "Complete job"])


WORKFLOW = """
name: Train
on: push
jobs:
  train:
    runs-on: gpu
    outputs: { score: "${{ steps.fit.outputs.score }}" }
    steps:
      - uses: actions/checkout@v5
      - id: fit
        run: echo "score=$(cat data)" >>"$GITHUB_OUTPUT"; echo ${{ github.workspace }} ${{ github.actor }}
  report:
    needs: train
    runs-on: gpu
    steps:
      - name: Report
        run: echo "score ${{ needs.train.outputs.score }}"
"""


def test_a_workflow_runs_as_it_was_pushed(runner: StandIn) -> None:
    """A push makes the run; the second job gets what the first one said."""
    runner.world.push("acme/train", {".github/workflows/train.yml": WORKFLOW, "data": "0.9\n"})
    for name in ("rk-1", "rk-2"):
        assert runner.call(ACTIONS_RUNNER_INPUT_JITCONFIG=runner.blob(name))[0] == 0
        shutil.rmtree(runner.root / "_work")
    train, report = sorted(runner.world.state.live.jobs.values(), key=lambda each: each.id)
    assert (train.conclusion, train.outputs, report.conclusion) == ("success", {"score": "0.9"}, "success")
    assert f"{runner.root}/_work/train/train octocat" in train.log
    assert said(report, "Report").splitlines()[2:] == ["score 0.9"]
