"""The guards of the laws: which passage keeps each, what the code would be without it, and which test must notice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guard:
    """One passage of the code that keeps a law, found by its exact text."""

    law: int
    what: str
    file: str
    text: str
    without: str
    test: str


UNIT, CONTRACT, SANDBOX = "tests/unit/test_", "tests/contract/test_", "tests/sandbox/test_"
APART = "tests/typing/test_sandbox_is_apart.py"

MACHINE = (
    Guard(
        1,
        "a power-off terminates the instance",
        "runnerkit/ec2/requests.py",
        '"InstanceInitiatedShutdownBehavior": "terminate"',
        '"InstanceInitiatedShutdownBehavior": "stop"',
        f"{CONTRACT}ec2_cloud_launch.py::test_a_launch_sets_everything_that_makes_a_machine_safe",
    ),
    Guard(
        1,
        "a listener that fails leads to the end unit",
        "runnerkit/machine/units/runnerkit-runner.service",
        "OnFailure=runnerkit-end.service\n",
        "",
        f"{UNIT}machine_units.py::test_every_end_of_the_listener_leads_to_the_end_unit",
    ),
    Guard(
        1,
        "the machine watches its own lifetime",
        "runnerkit/machine/runnerkit_agent/rules.py",
        "if view.now - view.begun >= rules.life - min(rules.stop_grace, rules.life / 10):",
        "if False:",
        f"{UNIT}machine_rules.py::test_what_ends_a_machine",
    ),
    Guard(
        1,
        "timers of systemd end it when everything else fails",
        "runnerkit/boot.py",
        '            *_deadline("life", machine.life, "the machine reached its lifetime"),\n',
        "",
        f"{UNIT}boot.py::test_deadlines_are_armed_before_anything_else",
    ),
    Guard(
        1,
        "the power-off is forced in the end",
        "runnerkit/machine/units/runnerkit-poweroff.service",
        "ExecStart=-systemctl poweroff --force --force\n",
        "",
        f"{UNIT}machine_units.py::test_the_power_off_escalates_and_outlives_the_shutdown",
    ),
)

LEASES = (
    Guard(
        2,
        "a machine past its lease is no capacity",
        "runnerkit/phases.py",
        "return deadline is None or now < deadline",
        "return True",
        f"{UNIT}plan.py::test_a_machine_past_its_lease_is_not_capacity",
    ),
    Guard(
        2,
        "a machine that misses its deadline is retired",
        "runnerkit/plan.py",
        "    if now >= online_by:\n",
        "    if False:\n",
        f"{UNIT}plan.py::test_upkeep",
    ),
    Guard(
        2,
        "a launch that waits replaces a machine that never came",
        "runnerkit/slots.py",
        "slot = self._fill(slot.request, slot.name.serial + slot.request.count)",
        "return slot",
        f"{UNIT}slots.py::test_a_missed_deadline_is_retired_and_replaced",
    ),
    Guard(
        3,
        "every pass reads the world anew",
        "runnerkit/observing.py",
        "seen = self._ask_forge(instances, now, queue=queue)",
        'seen = self.__dict__.setdefault("_seen", self._ask_forge(instances, now, queue=queue))',
        f"{UNIT}fleet.py::test_the_loop_serves_what_is_queued_while_it_runs",
    ),
    Guard(
        3,
        "a job is read once more before its machine is launched",
        "runnerkit/applying.py",
        'if action.job_id is not None and (job is None or job.status != "queued"):',
        "if action.job_id is not None and job is None:",
        f"{UNIT}applying.py::test_a_job_that_waits_no_longer_gets_nothing",
    ),
    Guard(
        4,
        "leases travel in the tags",
        "runnerkit/tags.py",
        "        ONLINE_BY: _epoch(online_by),\n",
        "",
        f"{UNIT}launching.py::test_leases_travel_in_the_tags_and_in_user_data",
    ),
    Guard(
        4,
        "a launch that fails takes its registration back",
        "runnerkit/launching.py",
        "        except BaseException as error:\n            self._take_back(launch, registration.runner.id)\n",
        "        except BaseException as error:\n",
        f"{UNIT}launching.py::test_no_capacity_takes_the_registration_back",
    ),
    Guard(
        4,
        "another installation's registration is left alone",
        "runnerkit/slots.py",
        " and runner.birth.owner.lower() == self._owner",
        "",
        f"{UNIT}slots.py::test_a_holder_of_somebody_else_is_left_alone",
    ),
)

ABSENCE = (
    Guard(
        5,
        "absence is confirmed by id",
        "runnerkit/applying.py",
        "if action.confirm and self._still_known(action):",
        "if False:",
        f"{UNIT}applying.py::test_a_runner_that_github_knows_by_id_saves_its_machine",
    ),
    Guard(
        5,
        "by id, not by a name that may be registered again",
        "runnerkit/applying.py",
        "        if action.runner_id is not None:\n",
        "        if False:\n",
        f"{UNIT}applying.py::test_a_namesake_does_not_save_a_machine",
    ),
    Guard(
        5,
        "absence is confirmed after a window",
        "runnerkit/plan.py",
        "elif now >= instance.gone_since + timedelta(seconds=policy.confirm):",
        "else:",
        f"{UNIT}plan.py::test_upkeep",
    ),
    Guard(
        5,
        "a busy runner's machine is spared",
        "runnerkit/applying.py",
        '            return self._spared(action.name, action.instance_id, "GitHub says it is busy")\n',
        "            accepted = True\n",
        f"{UNIT}applying.py::test_retiring_a_busy_runner_spares_its_machine",
    ),
    Guard(
        5,
        "a deletion that finds nothing is no yes",
        "runnerkit/applying.py",
        "        if not accepted:\n",
        "        if False:\n",
        f"{UNIT}applying.py::test_retiring_an_unknown_runner_spares_its_machine",
    ),
    Guard(
        5,
        "EC2 is asked by name before a registration goes",
        "runnerkit/applying.py",
        "        if action.confirm:\n            live",
        "        if False:\n            live",
        f"{UNIT}applying.py::test_a_registration_whose_machine_is_there_is_kept",
    ),
    Guard(
        6,
        "one bad id does not save the others",
        "runnerkit/ec2/machines.py",
        "if len(batch) == 1 or _is_aws_side(error):",
        "if True:",
        f"{CONTRACT}ec2_machines.py::test_one_bad_id_does_not_save_the_others",
    ),
    Guard(
        6,
        "a machine that EC2 does not know yet is not taken for gone",
        "runnerkit/ec2/machines.py",
        "if self._settling.holds(instance_id):",
        "if False:",
        f"{CONTRACT}ec2_machines.py::test_a_machine_that_ec2_does_not_know_yet_is_ended_when_it_does",
    ),
)

BOUNDS = (
    Guard(
        7,
        "names are short",
        "runnerkit/names.py",
        " if match and len(text) <= NAME_LIMIT else None",
        " if match else None",
        f"{UNIT}names.py::test_foreign_names_are_nobodys",
    ),
    Guard(
        7,
        "the breaker stops a label set",
        "runnerkit/starting.py",
        "    if closed is not None:\n",
        "    if False:\n",
        f"{UNIT}fleet.py::test_the_breaker_from_end_to_end",
    ),
    Guard(
        7,
        "what a person must mend counts for the breaker",
        "runnerkit/launching.py",
        "            if not error.retryable or isinstance(error, NoCapacity):\n",
        "            if isinstance(error, NoCapacity):\n",
        f"{UNIT}fleet.py::test_a_missing_permission_does_not_register_for_ever",
    ),
    Guard(
        7,
        "machines at once are capped",
        "runnerkit/starting.py",
        "if cap.machines is not None and running >= cap.machines:",
        "if False:",
        f"{UNIT}plan.py::test_caps",
    ),
    Guard(
        7,
        "machines for one job are capped",
        "runnerkit/starting.py",
        "    if serial <= policy.max_tries:\n",
        "    if True:\n",
        f"{UNIT}plan.py::test_a_job_gets_a_bounded_number_of_machines",
    ),
    Guard(
        7,
        "refusals are remembered",
        "runnerkit/launching.py",
        "self._outside.journal.refused(refusal)",
        "pass",
        f"{UNIT}launching.py::test_what_was_refused_a_moment_ago_is_not_registered_for",
    ),
    Guard(
        7,
        "the price is capped",
        "runnerkit/offerings.py",
        "lambda o: o.price is not None and o.price <= price",
        "lambda _o: True",
        f"{UNIT}offerings.py::test_the_price_limit_filters_offerings",
    ),
    Guard(
        8,
        "every attempt has a token of its own",
        "runnerkit/ec2/launch.py",
        'request["ClientToken"] = uuid.uuid4().hex\n        lost = False\n',
        'request["ClientToken"] = self._order.name\n        lost = False\n',
        f"{CONTRACT}ec2_cloud_launch.py::test_each_attempt_has_a_token_of_its_own",
    ),
    Guard(
        8,
        "the same call is sent again under its own token",
        "runnerkit/ec2/launch.py",
        "backoff.again():\n                    continue\n",
        "backoff.again():\n"
        '                    request["ClientToken"] = uuid.uuid4().hex\n'
        "                    continue\n",
        f"{CONTRACT}ec2_trouble.py::test_a_lost_answer_after_the_fleet_starts_no_second_machine",
    ),
    Guard(
        8,
        "tags travel in the launch call",
        "runnerkit/ec2/requests.py",
        '            {"ResourceType": "instance", "Tags": as_tags(tags)},\n',
        "",
        f"{CONTRACT}ec2_cloud_launch.py::test_tags_travel_in_the_launch_call",
    ),
)

CALLS = (
    Guard(
        9,
        "a POST is never repeated blindly",
        "runnerkit/github/client.py",
        'for pause in PAUSES if ask.verb == "GET" else ():',
        "for pause in PAUSES:",
        f"{CONTRACT}github_forge_runners.py::test_a_failed_registration_is_not_repeated",
    ),
    Guard(
        9,
        "nothing is sent until a reset",
        "runnerkit/github/budget.py",
        "        if budget.reset is not None and budget.spent(now):\n",
        "        if False:\n",
        f"{CONTRACT}github_forge_limits.py::test_the_last_call_of_the_hour_ends_it",
    ),
    Guard(
        9,
        "a pause that GitHub asks for is kept",
        "runnerkit/github/budget.py",
        "        if pause is not None and now < pause:\n",
        "        if False:\n",
        f"{CONTRACT}github_forge_limits.py::test_a_pause_that_github_asks_for_holds_for_everything",
    ),
    Guard(
        10,
        "a run that AWS interrupted is repeated",
        "runnerkit/plan.py",
        "    for recovery in recoveries:\n",
        "    for recovery in ():\n",
        f"{UNIT}reruns.py::test_an_interrupted_job_runs_again_on_a_new_machine",
    ),
    Guard(
        10,
        "but not for ever",
        "runnerkit/recovery.py",
        "run.attempt > policy.max_reruns,",
        "False,",
        f"{UNIT}recovery.py",
    ),
    Guard(
        10,
        "and only when AWS is to blame",
        "runnerkit/recovering.py",
        "            if instance.taken_back:\n",
        "            if not instance.live:\n",
        f"{UNIT}reruns.py::test_a_job_that_merely_failed_is_not_repeated",
    ),
    Guard(
        10,
        "and never when the job forbids it",
        "runnerkit/recovery.py",
        "return spec is not None and spec.retry is not Retry.NEVER",
        "return spec is not None",
        f"{UNIT}reruns.py::test_a_label_may_forbid_the_repetition",
    ),
    Guard(
        10,
        "once, whoever else is at it",
        "runnerkit/applying.py",
        'if run is None or run.attempt != action.run_attempt or run.status != "completed":',
        "if run is None:",
        f"{UNIT}reruns.py::test_a_second_controller_finds_the_run_repeated_already",
    ),
    Guard(
        10,
        "the machine that launch made is made anew first",
        "runnerkit/applying.py",
        "        for launch in action.launches:\n",
        "        for launch in ():\n",
        f"{UNIT}reruns.py::test_a_machine_that_launch_made_is_made_anew_before_the_run_goes_on",
    ),
    Guard(
        10,
        "spot that is taken back too often is left for a while",
        "runnerkit/breakers.py",
        "    return Pause(until, most) if until is not None and now < until else None\n",
        "    return None\n",
        f"{UNIT}reruns.py::test_two_interruptions_put_the_third_attempt_on_demand",
    ),
    Guard(
        7,
        "dollars of a day are capped",
        "runnerkit/starting.py",
        "        if spent >= cap.dollars_per_day:\n",
        "        if False:\n",
        f"{UNIT}policies.py::test_a_spent_budget_stops_launches_until_midnight",
    ),
    Guard(
        11,
        "a job that no environment let through is refused where policy wants one",
        "runnerkit/understanding.py",
        "        if locked is not None:\n",
        "        if False:\n",
        f"{UNIT}understanding.py::test_a_job_of_which_nobody_can_tell_is_refused",
    ),
    Guard(
        11,
        "forks are refused",
        "runnerkit/specs.py",
        "if job.fork is not False and not policy.forks:",
        "if job.fork and not policy.forks:",
        f"{UNIT}specs.py::test_refuse_by_default",
    ),
    Guard(
        11,
        "public repositories are refused",
        "runnerkit/specs.py",
        "if job.private is not True and not policy.public_repositories:",
        "if job.private is False and not policy.public_repositories:",
        f"{UNIT}specs.py::test_refuse_by_default",
    ),
    Guard(
        11,
        "pull_request_target is refused",
        "runnerkit/specs.py",
        'if job.event == "pull_request_target" and not policy.pull_request_target:',
        "if False:",
        f"{UNIT}specs.py::test_refuse_by_default",
    ),
    Guard(
        11,
        "distrust reaches every queued job",
        "runnerkit/understanding.py",
        "            raise distrusted\n",
        "            pass\n",
        f"{UNIT}observing.py::test_a_job_that_gets_nothing_is_told_why",
    ),
    Guard(
        11,
        "policy bounds every label",
        "runnerkit/specs.py",
        "    _check(full, policy)\n",
        "",
        f"{UNIT}specs.py::test_policy_refuses_and_says_what_it_allows",
    ),
    Guard(
        11,
        "a label that is almost ours is refused",
        "runnerkit/understanding.py",
        "            if slip is not None:\n",
        "            if False:\n",
        f"{UNIT}unserved.py::test_an_almost_label_is_refused_with_the_right_spelling",
    ),
    Guard(
        11,
        "the jobs of a fork get no secrets",
        "runnerkit/sandbox/github/engine/credentials.py",
        "        if from_fork(run):\n            return {}\n",
        "",
        f"{SANDBOX}github_engine_machines.py::test_a_forks_pull_request_gets_no_secrets_and_writes_nothing",
    ),
    Guard(
        11,
        "nor a token that writes",
        "runnerkit/sandbox/github/engine/credentials.py",
        '        held = dict.fromkeys(held, "read")\n',
        "        pass\n",
        f"{SANDBOX}github_engine_machines.py::test_a_forks_pull_request_gets_no_secrets_and_writes_nothing",
    ),
    Guard(
        12,
        "no code of ours asks whether it runs in the sandbox",
        "runnerkit/app.py",
        "    from runnerkit.ec2 import Ec2Cloud\n",
        "    from runnerkit.ec2 import Ec2Cloud\n    from runnerkit.sandbox import together as _together\n",
        f"{APART}::test_only_commands_and_fixtures_of_the_sandbox_import_it",
    ),
    Guard(
        12,
        "nor does it behave otherwise there",
        "runnerkit/app.py",
        "    from runnerkit.ec2 import Ec2Cloud\n",
        '    from runnerkit.ec2 import Ec2Cloud\n\n    if "RUNNERKIT_SANDBOX" in os.environ:\n        clock = clock\n',
        f"{APART}::test_nothing_depends_on_being_in_the_sandbox",
    ),
)

GUARDS: tuple[Guard, ...] = (*MACHINE, *LEASES, *ABSENCE, *BOUNDS, *CALLS)
