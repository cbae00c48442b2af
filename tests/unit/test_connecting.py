"""What a session on a machine needs, and what is said when some of it is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runnerkit.connecting import Access, Check, Tools, checks, command, missing
from runnerkit.model import Instance, Market, State
from runnerkit.testing.clock import EPOCH

MACHINE = Instance("i-1", "rk-1-1", "acme/w", "eu-west-1", "eu-west-1a", "g5.xlarge", Market.SPOT, State.RUNNING, EPOCH)
TOOLS = Tools("/bin/aws", "/bin/session-manager-plugin")
PROFILE = "arn:aws:iam::1:instance-profile/train"
READY = Access(PROFILE, "Online")


def lacking(access: Access | None = READY, tools: Tools = TOOLS, machine: Instance = MACHINE) -> list[Check]:
    return missing(checks(machine, access, tools))


def test_when_all_is_there_nothing_is_missing() -> None:
    """Every line is fine, and the command names machine and region word by word."""
    assert [True] * 5 == [check.ok for check in checks(MACHINE, READY, TOOLS)]
    expected = ["/bin/aws", "ssm", "start-session", "--target", "i-1", "--region", "eu-west-1"]
    assert expected == command(MACHINE, TOOLS)
    assert [*expected, "--profile", "ml"] == command(MACHINE, TOOLS, "ml")


@pytest.mark.parametrize(
    ("access", "tools", "what", "remedy"),
    [
        (READY, Tools("", "/x"), "the AWS CLI", "install"),
        (READY, Tools("/x", ""), "session-manager-plugin", "install"),
        (Access(PROFILE, ""), TOOLS, "SSM agent", "image has no agent"),
        (Access(PROFILE, "ConnectionLost"), TOOLS, "SSM agent", "VPC endpoints"),
    ],
)
def test_one_thing_that_is_missing_is_named_with_its_remedy(
    access: Access, tools: Tools, what: str, remedy: str
) -> None:
    """Exactly that line fails, and it says what to do."""
    (check,) = lacking(access, tools)
    assert what in check.what
    assert remedy in check.remedy


def test_without_a_profile_the_agent_cannot_report() -> None:
    """Both lines fail, and the first names label, policy key and role policy."""
    profile, agent = lacking(Access("", ""))
    for word in ("profile=NAME", "AmazonSSMManagedInstanceCore", "`profiles`"):
        assert word in profile.remedy
    assert "SSM agent" in agent.what


def test_an_agent_that_reports_without_a_profile_is_good_enough() -> None:
    """An account may give all its instances a role of Systems Manager's own."""
    assert lacking(Access("", "Online")) == []


def test_what_may_not_be_asked_does_not_stop_anybody() -> None:
    """Without the permission to ask about agents, the session is tried, and the permission is named."""
    found = checks(MACHINE, Access(PROFILE, "", unknown="no permission"), TOOLS)
    assert missing(found) == []
    (unknown,) = [check for check in found if "SSM agent" in check.what]
    assert unknown.ok is None
    assert "ssm:DescribeInstanceInformation" in unknown.remedy


def test_a_machine_that_does_not_run_has_no_sessions() -> None:
    """AWS is not asked any further; its console is what remains."""
    ended = replace(MACHINE, state=State.TERMINATED)
    (check,) = lacking(None, machine=ended)
    assert check.found == "terminated"
    assert "`runnerkit logs i-1`" in check.remedy


def test_a_machine_that_starts_only_has_to_be_waited_for() -> None:
    """It has nothing on its console yet, so that is not what is advised."""
    (check,) = lacking(None, machine=replace(MACHINE, state=State.PENDING))
    assert "try again" in check.remedy
