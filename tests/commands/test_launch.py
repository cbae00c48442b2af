"""``launch``: from a label to a machine, and every way in which that can go wrong."""

from __future__ import annotations

import signal
import time
from shutil import rmtree
from typing import TYPE_CHECKING

import pytest

from runnerkit.sandbox import userdata
from tests.commands.test_loop import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.commands.conftest import Bench

LABEL = "runnerkit=42/gpu=t4"


def test_a_machine_is_launched_and_comes_online(bench: Bench) -> None:
    """One command: a spot GPU machine whose runner carries the label and listens."""
    done = bench.launch("--wait")
    assert done.code == 0, done.err
    (machine,) = done.json["machines"]
    (instance,) = bench.world.ec2.instances("pending", "running")
    (runner,) = bench.world.github.runners()
    assert (instance.id, "spot", "g4dn.xlarge", True) == (
        machine["instance"],
        machine["market"],
        machine["type"],
        machine["online"],
    )
    assert machine["runner"] == runner.name
    assert LABEL in {label.name if hasattr(label, "name") else label for label in runner.labels}


def test_a_plain_launch_is_one_github_and_three_ec2_calls(bench: Bench) -> None:
    """Besides discovery a launch registers, makes a template, launches and drops it again; warm there is no more."""
    assert bench.launch(label="runnerkit=41/gpu=t4").code == 0, "this one makes the security group"
    for wish in ("runnerkit=44/cpu=4", "runnerkit=42/gpu=t4"):
        rmtree(bench.environment["RUNNERKIT_CACHE_DIR"])
        before = len(bench.world.ec2.calls)
        assert bench.launch(label=wish).code == 0
        cold = [call.action for call in bench.world.ec2.calls][before:]
        assert len(cold) - 3 <= 6, (wish, cold)
    before, asked = before + len(cold), bench.world.github.count()
    assert bench.launch(label="runnerkit=43/gpu=t4").code == 0
    warm = [call.action for call in bench.world.ec2.calls][before:]
    assert ["CreateLaunchTemplate", "CreateFleet", "DeleteLaunchTemplate"] == warm
    assert bench.world.github.count() - asked == 1


def test_the_workflow_is_told_before_the_wait(bench: Bench, tmp_path: Path) -> None:
    """Label, runner and instance reach GITHUB_OUTPUT and the step summary even when waiting fails afterwards."""
    bench.world.hollow.broken.update(f"rk-7-2-{digest}-{n}" for digest in [_digest()] for n in range(1, 9))
    output, summary = tmp_path / "output", tmp_path / "summary"
    done = bench.launch(
        "--wait",
        GITHUB_OUTPUT=str(output),
        GITHUB_STEP_SUMMARY=str(summary),
        GITHUB_RUN_ID="7",
        GITHUB_RUN_ATTEMPT="2",
        RUNNERKIT_POLICY__ONLINE_WITHIN="1",
        RUNNERKIT_POLICY__MAX_TRIES="1",
    )
    assert done.code == 7
    assert f"rk-7-2-{_digest()}-1" in output.read_text()
    assert "i-" in output.read_text()
    assert "| runner | instance |" in summary.read_text()


def _digest() -> str:
    from runnerkit.names import label_digest

    return label_digest("acme/widgets", [LABEL])


def test_launching_twice_adopts(bench: Bench) -> None:
    """The same run, attempt and label launched again finds the machine that is there."""
    first = bench.launch("--wait").json["machines"][0]
    again = bench.launch("--wait").json["machines"][0]
    assert (first["instance"], True) == (again["instance"], again["adopted"])
    assert len(bench.world.ec2.instances()) == 1


def test_count_and_scope_ask_for_more_machines(bench: Bench) -> None:
    """--count gives several machines under one label; another scope gives another machine."""
    assert len(bench.launch("--count", "3").json["machines"]) == 3
    assert len(bench.launch(label="runnerkit=43/gpu=t4").json["machines"]) == 1
    names = {runner.name for runner in bench.world.github.runners()}
    assert len(names) == 4


def test_secrets_go_through_parameter_store_where_that_is_set(bench: Bench) -> None:
    """User data tell neither name nor secret; launching again finds the machine."""
    bench.world.aws("iam").create_instance_profile(InstanceProfileName="runnerkit-runner")
    ssm = {"RUNNERKIT_AWS__SECRETS": "ssm", "RUNNERKIT_AWS__INSTANCE_PROFILE": "runnerkit-runner"}
    (machine,) = bench.launch(**ssm).json["machines"]
    (instance,) = bench.world.ec2.instances("pending", "running")
    assert instance.tags["runnerkit:runner"] == machine["runner"]
    assert machine["runner"].encode() not in instance.user_data
    name = f"/runnerkit/{instance.id}"
    assert bench.wire(["PutParameter"]) == ["PutParameter"]
    found = bench.world.aws("ssm").get_parameters(Names=[name], WithDecryption=True)["Parameters"]
    assert all(machine["runner"] in each["Value"] for each in found), "it may have read and deleted it already"
    assert bench.launch(**ssm).json["machines"][0]["instance"] == instance.id


def test_single_keys_spell_the_same_label(bench: Bench) -> None:
    """Flags are the label's keys, and the scope is the workflow run's id."""
    done = bench.run("launch", "--gpu", "T4", "--spot", "never", "--json", GITHUB_RUN_ID="42")
    assert (0, "runnerkit=42/gpu=t4/spot=never") == (done.code, done.json["label"])
    assert done.json["machines"][0]["market"] == "on-demand"


def test_dry_run_starts_nothing(bench: Bench) -> None:
    """--dry-run shows names and offerings, and calls neither GitHub nor anything of EC2 that changes something."""
    done = bench.launch("--dry-run", "--repo", "acme/other")
    assert (0, "acme/other") == (done.code, done.json["repo"]), "what is typed wins over GITHUB_REPOSITORY"
    assert ["spot", "on-demand"] == [attempt["market"] for attempt in done.json["attempts"]]
    assert bench.run("launch", "--runs-on", LABEL, "--dry-run").out.startswith("would launch rk-0-1-")
    assert bench.world.github.count() == 0
    assert all(call.action.startswith("Describe") for call in bench.world.ec2.calls)


def test_a_stock_image_gets_the_runner_downloaded(bench: Bench) -> None:
    """Without a baked image the user data brings the agent, and where to get the runner with its checksum."""
    stock = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
    done = bench.launch(label="runnerkit=1/cpu=2/image=stock", RUNNERKIT_AWS__IMAGES__STOCK__SSM=stock)
    assert done.code == 0, done.out
    (instance,) = bench.world.ec2.instances()
    assert len(instance.user_data) <= 16_384
    assert bench.world.github.count("GET", "*/downloads") == 1
    assert userdata.read(instance.user_data).name == done.json["machines"][0]["runner"]


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "code", "words"),
    [
        ("runnerkit=1/gup=t4", 2, "gpu"),
        ("runnerkit=1/gpu=t5", 2, "t4"),
        ("runnerkit=1/gpu=t4/zone=mars-1a", 2, "zone"),
        ("gpu=t4", 2, "runnerkit"),
        ("runnerkit=1/gpu=8xt4/type=g4dn.xlarge", 2, "gpu=8xt4"),
        ("runnerkit=1/gpu=t4/profile=Admin", 3, "profile"),
        ("runnerkit=1/image=nowhere", 6, "nowhere"),
    ],
)
def test_bad_labels_start_nothing_and_say_why(bench: Bench, label: str, code: int, words: str) -> None:
    """What cannot be understood, had or allowed ends with a documented code, a reason and a hint."""
    done = bench.launch(label=label)
    assert code == done.code, done.out
    error = done.json["error"]
    assert words in error["message"] + error["hint"]
    assert error["hint"]
    assert [] == bench.world.ec2.instances()
    assert [] == bench.world.github.runners()


def test_a_gpu_that_is_not_offered_there_is_an_impossible_wish(bench: Bench) -> None:
    """A wish that no type in the zone fulfils names the condition and what there would be."""
    done = bench.launch(label="runnerkit=1/gpu=h100/region=us-west-1", RUNNERKIT_AWS__REGIONS="us-east-1,us-west-1")
    assert (2, "not-offered") == (done.code, done.json["error"]["code"])
    assert "h100" in done.json["error"]["message"]


def test_without_a_repository_nothing_happens(bench: Bench) -> None:
    """No repository given, none configured: the message says where to name one."""
    bench.environment.pop("GITHUB_REPOSITORY")
    done = bench.launch()
    assert done.code == 2
    assert "--repo" in done.json["error"]["hint"]


# --- refusals of AWS --------------------------------------------------------------------------------------------------


def test_spot_refused_falls_back_to_on_demand(bench: Bench) -> None:
    """No spot capacity anywhere: the machine is bought on-demand with one more fleet and the same template."""
    bench.world.ec2.capacity("*", "*", "spot", 0)
    done = bench.launch()
    assert (0, "on-demand") == (done.code, done.json["machines"][0]["market"])
    calls = bench.wire(["CreateLaunchTemplate", "CreateFleet", "DeleteLaunchTemplate"])
    assert ["CreateLaunchTemplate", "CreateFleet", "CreateFleet", "DeleteLaunchTemplate"] == calls


def test_everything_refused_leaves_nothing(bench: Bench) -> None:
    """Every pool refused: one table of pools and codes, exit code 4, no registration, no template."""
    bench.world.ec2.capacity("*", "*", "spot", 0)
    bench.world.ec2.capacity("*", "*", "on-demand", 0)
    done = bench.launch()
    assert (4, "no-capacity") == (done.code, done.json["error"]["code"])
    assert {"spot", "on-demand"} == {refusal["market"] for refusal in done.json["error"]["refusals"]}
    assert not any(bench.world.left().values())


def test_people_get_the_refusals_as_a_table(bench: Bench) -> None:
    """Without --json each refused pool stands on a line with its code."""
    bench.world.ec2.capacity("*", "*", "spot", 0)
    done = bench.run("launch", "--runs-on", LABEL + "/spot=only")
    assert done.code == 4
    assert any("g4dn.xlarge" in line and "spot" in line and "Capacity" in line for line in done.err.splitlines())


def test_refusals_are_remembered_by_the_next_process(bench: Bench) -> None:
    """What was refused a moment ago is not asked for again, and nothing is registered for it."""
    bench.world.ec2.capacity("*", "*", "spot", 0)
    label = LABEL + "/spot=only"
    assert bench.launch(label=label).code == 4
    fleets, posts = bench.world.ec2.calls.count("CreateFleet"), bench.world.github.count("POST")
    assert bench.launch(label=label).code == 4
    assert (fleets, posts) == (bench.world.ec2.calls.count("CreateFleet"), bench.world.github.count("POST"))


@pytest.mark.parametrize(
    ("code", "exit_code", "words"),
    [
        ("UnauthorizedOperation", 6, "ec2:CreateFleet"),
        ("ExpiredToken", 6, "expired"),
        ("AuthFailure", 6, "credentials"),
        ("InvalidParameterValue", 6, ""),
    ],
)
def test_terminal_refusals_of_aws(bench: Bench, code: str, exit_code: int, words: str) -> None:
    """What no retry can mend ends at once, names what is missing, and takes the registration back."""
    bench.world.ec2.refuse(code, "CreateFleet", times=None)
    done = bench.launch()
    assert exit_code == done.code, done.out
    assert words.lower() in (done.json["error"]["message"] + done.json["error"]["hint"]).lower()
    assert not any(bench.world.left().values())


def test_throttling_is_waited_for(bench: Bench) -> None:
    """A throttled call is sent again after a moment, with the same client token."""
    bench.world.ec2.throttle("CreateFleet", 2)
    assert bench.launch().code == 0
    assert len(bench.world.ec2.instances()) == 1


def test_no_credentials(bench: Bench) -> None:
    """Without AWS credentials the message says how to get some, and GitHub is not bothered."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        bench.environment.pop(name)
    done = bench.launch()
    assert done.code == 6
    assert "credentials" in done.json["error"]["message"].lower() + done.json["error"]["hint"].lower()
    assert bench.world.github.count("POST") == 0


# --- refusals of GitHub -----------------------------------------------------------------------------------------------


def test_an_actions_token_is_refused_with_what_is_needed(bench: Bench) -> None:
    """A workflow's GITHUB_TOKEN cannot register runners; the message names what can."""
    token = bench.world.github.add_token("actions")
    done = bench.launch(GITHUB_TOKEN=token)
    assert (5, "github-denied") == (done.code, done.json["error"]["code"])
    text = done.json["error"]["message"] + done.json["error"]["hint"]
    assert "administration" in text
    assert "GitHub App" in text
    assert [] == bench.world.ec2.instances()


def test_a_bad_token(bench: Bench) -> None:
    """A token that GitHub does not know ends with a plain sentence and exit code 5."""
    done = bench.launch(GITHUB_TOKEN="ghp_unknown")
    assert (5, "github-denied") == (done.code, done.json["error"]["code"])


@pytest.mark.parametrize(("status", "code"), [(500, 8), (502, 8), (422, 5)])
def test_github_refuses_the_registration(bench: Bench, status: int, code: int) -> None:
    """GitHub fails or refuses: nothing is launched, and the registration is not sent twice."""
    bench.world.github.fail("POST", "*/generate-jitconfig", status, times=None)
    done = bench.launch()
    assert code == done.code
    assert bench.world.github.count("POST", "*/generate-jitconfig") == 1
    assert [] == bench.world.ec2.instances()


def test_a_rate_limit_is_told_with_its_reset(bench: Bench) -> None:
    """At a rate limit the command stops calling and says when it may be tried again."""
    bench.world.github.secondary_limit(retry_after=30)
    done = bench.launch()
    assert (8, "rate-limited") == (done.code, done.json["error"]["code"])
    assert done.json["error"]["reset"]
    assert bench.world.github.count() == 1, "it asked, was told to stop, and asked nothing else"


# --- answers that are lost --------------------------------------------------------------------------------------------


def test_the_answer_to_the_registration_is_lost(bench: Bench) -> None:
    """The registration happened but its secret is lost: it is looked up by name, taken back, and reported."""
    bench.world.github.lose_answer("POST", "*/generate-jitconfig")
    done = bench.launch()
    assert done.code == 8
    assert not any(bench.world.left().values())
    assert bench.launch().code == 0


@pytest.mark.parametrize("action", ["CreateLaunchTemplate", "CreateFleet", "DeleteLaunchTemplate"])
def test_the_answer_of_aws_is_lost(bench: Bench, action: str) -> None:
    """The call is sent again with its own token, so there is one machine and no template in the end."""
    bench.world.ec2.lose_answer(action)
    done = bench.launch("--wait")
    assert done.code == 0, done.out
    assert len(bench.world.ec2.instances()) == 1
    assert bench.world.left()["launch_templates"] == 0


# --- an organisation's runner group ---------------------------------------------------------------------------------


@pytest.fixture
def group(bench: Bench) -> Bench:
    """A bench whose runners are registered at an organisation's group."""
    bench.world.github.add_organization("octo")
    bench.world.github.add_repository("octo/train")
    bench.world.github.add_group("octo", "gpu", repositories=["octo/train"])
    bench.environment |= {
        "GITHUB_REPOSITORY": "octo/train",
        "RUNNERKIT_GITHUB__ORGANIZATION": "octo",
        "RUNNERKIT_GITHUB__RUNNER_GROUP": "gpu",
    }
    return bench


def test_machines_of_a_group_are_joined_adopted_and_ended(group: Bench) -> None:
    """Launch, status, adoption and termination work the same for an organisation's group."""
    first = group.launch("--wait").json["machines"][0]
    (machine,) = group.run("status", "--json").json["machines"]
    assert ("ready", first["instance"]) == (machine["phase"], machine["instance"])
    again = group.launch("--wait").json["machines"][0]
    assert (first["instance"], True) == (again["instance"], again["adopted"])
    assert group.run("terminate", first["runner"]).code == 0
    assert not any(group.world.left().values())


def test_a_working_machine_of_a_group_is_spared(group: Bench) -> None:
    """Terminate without --force does not end a machine that runs a job, and says so with exit code 9."""
    group.world.hollow.work = 60.0
    job = group.world.github.queue_job("octo/train", [LABEL])
    assert group.run("once").code == 0
    deadline = time.monotonic() + 15
    while job.status != "in_progress" and time.monotonic() < deadline:
        time.sleep(0.05)
    done = group.run("terminate", "--all", "--json")
    assert done.code == 9
    assert [(False, "GitHub says it is busy")] == [(m["done"], m["spared"]) for m in done.json["machines"]]
    assert len(group.world.ec2.instances("running")) == 1


def test_a_machine_of_a_group_that_never_comes_up_is_retired(group: Bench) -> None:
    """The online deadline holds for an organisation's group as well."""
    group.environment["RUNNERKIT_POLICY__ONLINE_WITHIN"] = "1"
    group.world.hollow.boot = 60.0
    name = group.launch().json["machines"][0]["runner"]
    group.world.hollow.broken.add(name)
    time.sleep(2.5)
    calls = len(group.world.ec2.calls)
    planned = group.run("sweep", "--dry-run", "--json")
    assert [(name, False)] == [(each["runner"], each["done"]) for each in planned.json["actions"]]
    assert {call.action[:8] for call in list(group.world.ec2.calls)[calls:]} == {"Describe"}
    assert (0, 1) == (group.world.github.count("DELETE"), len(group.world.github.runners()))
    group.world.github.fail("DELETE", "*/runners/*", 403)
    assert group.run("sweep").code == 9, "what could not be ended is no success"
    assert until(lambda: group.run("once").code == 0 and not any(group.world.left().values()))


def test_an_adopted_machine_that_is_online_is_not_waited_for(bench: Bench) -> None:
    """A machine adopted after its online deadline is ready, not late: it is kept."""
    bench.environment["RUNNERKIT_POLICY__ONLINE_WITHIN"] = "8"
    first = bench.launch("--wait").json["machines"][0]
    time.sleep(8.5)
    again = bench.launch("--wait").json["machines"][0]
    assert (first["instance"], True, True) == (again["instance"], again["adopted"], again["online"])


def test_some_machines_and_an_error_are_both_told(bench: Bench) -> None:
    """--count 3 with capacity for one: exit code 9, the machine that runs and why the others do not."""
    bench.world.ec2.capacity("*", "*", "spot", 0)
    bench.world.ec2.capacity("*", "*", "on-demand", 0)
    bench.world.ec2.capacity("g4dn.xlarge", "us-east-1a", "spot", 1)
    done = bench.launch("--count", "3")
    assert done.code == 9
    assert (1, "no-capacity") == (len(done.json["machines"]), done.json["error"]["code"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_launch_says_what_stays(bench: Bench, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end with 130 and a sentence; a registration without a machine is taken back."""
    hold = bench.world.ec2.hold("CreateFleet", "before")
    process = bench.start("launch", "--runs-on", LABEL, "--wait")
    assert hold.reached.wait(30)
    process.send_signal(number)
    hold.drop()
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in told
    assert {"instances": 0, "runners": 0} == {k: bench.world.left()[k] for k in ("instances", "runners")}
    assert bench.world.left()["launch_templates"] == 0


def test_nobody_listening_costs_no_machine(bench: Bench) -> None:
    """A broken standard error neither stops a launch nor leaves half of one."""
    process = bench.start("launch", "--runs-on", LABEL)
    assert process.stderr is not None
    process.stderr.close()
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.read().startswith("rk-")
    assert process.wait(timeout=30) == 0
    assert bench.world.left()["instances"] == 1


def test_a_machine_that_never_comes_is_replaced_and_the_workflow_told(bench: Bench, tmp_path: Path) -> None:
    """--wait retires a machine that misses its deadline, launches under the next name, and writes the outputs anew."""
    output = tmp_path / "output"
    bench.world.hollow.broken.add(f"rk-7-1-{_digest()}-1")
    bench.environment["RUNNERKIT_POLICY__ONLINE_WITHIN"] = "8"
    done = bench.launch("--wait", GITHUB_RUN_ID="7", GITHUB_OUTPUT=str(output))
    assert done.code == 0, done.out
    (machine,) = done.json["machines"]
    assert machine["runner"] == f"rk-7-1-{_digest()}-2"
    written = output.read_text()
    assert written.index(f"rk-7-1-{_digest()}-1") < written.index(machine["runner"])
    assert len(bench.world.ec2.instances("pending", "running")) == 1
    again = bench.launch("--wait", GITHUB_RUN_ID="7").json["machines"][0]
    assert (machine["instance"], True) == (again["instance"], again["adopted"])
