"""What GitHub refuses in a file as a whole and in its triggers, with the line and a message worth reading."""

from __future__ import annotations

import pytest

from runnerkit.sandbox.workflows import WorkflowInvalid, is_workflow, load
from tests.sandbox.workflows.files import PATH, STEPS, refused, started_by

JOBS = f"jobs: {{a: {{runs-on: x, steps: {STEPS}}}}}"


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("", None, "the file is empty"),
        ("- a\n", 1, "the workflow is a mapping, not a list"),
        ("on: push\njobs: [\n", 3, "no YAML"),
        ("on: push\n\tjobs: x\n", 2, "no YAML"),
        ("on: push\nname: \x07\n", None, "no YAML"),
        (f"{JOBS}\n", 1, "has no `on`"),
        ("on: push\n", 1, "has no `jobs`"),
        ("on:\n" + JOBS, 1, "has no `on`"),
        ("on: push\njobs:\n", 2, "has no `jobs`"),
        ("on: push\njobs: {}\n", 2, "`jobs` is empty"),
        ("on: push\njobs: [a]\n", 2, "jobs is a mapping, not a list"),
        (f"on: push\nnames: x\n{JOBS}", 2, "the workflow has no key 'names'; did you mean 'name'?"),
        (f"on: push\nname: x\non: push\n{JOBS}", 3, "'on' is defined already, in line 1"),
        (f"on: push\nenv:\n  A: 1\n  a: 2\n{JOBS}", 4, "'a' is defined already, in line 3"),
        (f"on: push\nname: [x]\n{JOBS}", 2, "name is text, not a list"),
        (f"on: push\nname: a ${{{{ github.ref }}}}\n{JOBS}", 2, "name cannot hold an expression"),
        (f"on: push\nrun-name: ${{{{ needs.a }}}}\n{JOBS}", 2, "'needs' cannot be used here; known here are github"),
        (f"on: push\nenv: {{A: [1]}}\n{JOBS}", 2, "env.A is text, not a list"),
        (f"on: push\nenv:\n  A: ${{{{ env.B }}}}\n{JOBS}", 3, "env.A: the context 'env' cannot be used here"),
        (f"on: push\nenv: &e {{A: 1}}\nx: *y\n{JOBS}", 3, "undefined alias"),
        (f"on: push\nenv: {{<<: {{A: 1}}}}\n{JOBS}", 2, "does not take merge keys"),
        ("on: push\njobs: &a\n  b: *a\n", 3, "leads back to itself"),
        ("on: push\n? [a]\n: b\n", 2, "a key is text"),
        ("on: push\nname: !foo x\n" + JOBS, 2, "does not take the tag '!foo'"),
        (f"on: push\npermissions: all\n{JOBS}", 2, "permissions is read-all, write-all or a mapping, not 'all'"),
        (f"on: push\npermissions:\n  content: read\n{JOBS}", 3, "did you mean 'contents'?"),
        (f"on: push\npermissions:\n  id-token: read\n{JOBS}", 3, "permissions.id-token is none or write, not 'read'"),
        (f"on: push\npermissions:\n{JOBS}", 2, "permissions is a mapping, not nothing"),
        (f"on: push\nconcurrency: {{cancel-in-progress: true}}\n{JOBS}", 2, "concurrency has no `group`"),
        (f"on: push\nconcurrency:\n{JOBS}", 2, "concurrency is a mapping, not nothing"),
        (f"on: push\nconcurrency:\n  group: a\n  cancel-in-progress: yes\n{JOBS}", 4, "YAML 1.2"),
        (f"on: push\nconcurrency:\n  group: a\n  queue: all\n{JOBS}", 4, "is single or max"),
        (f"on: push\nconcurrency: ${{{{ secrets.A }}}}\n{JOBS}", 2, "'secrets' cannot be used here"),
        (f"on: push\ndefaults: {{run: {{shel: bash}}}}\n{JOBS}", 2, "did you mean 'shell'?"),
        (f"on: push\ndefaults: {{run: {{shell: '${{{{ github.x }}}}'}}}}\n{JOBS}", 2, "cannot hold an expression"),
    ],
)
def test_the_file_as_a_whole(text: str, line: int | None, told: str) -> None:
    """YAML, and the keys at the top."""
    found, message = refused(text)
    assert (found, told in message) == (line, True), message


@pytest.mark.parametrize(
    ("on", "line", "told"),
    [
        ("pusch", 1, "there is no event 'pusch'; did you mean 'push'?"),
        ("xyzzy", 1, "there is no event 'xyzzy'; events are push"),
        ("[push, pul_request]", 1, "did you mean 'pull_request'?"),
        ("[push: {branches: [a]}]", 1, "an event with filters is a key below `on`"),
        ("[]", 1, "`on` names no event"),
        ("\n  push:\n    branch: main", 3, "on.push has no key 'branch'; did you mean 'branches'?"),
        ("\n  push: main", 2, "on.push is a mapping, not 'main'"),
        ("\n  fork: {types: [x]}", 2, "on.fork has no key 'types'"),
        ("\n  push:\n    branches: [a]\n    branches-ignore: [b]", 3, "both branches and branches-ignore"),
        ("\n  push:\n    paths: ['!a']", 3, "on.push.paths only leaves out"),
        ("\n  push:\n    branches: ['[z-a]']", 3, "'[z-a]' is no pattern"),
        ("\n  push:\n    branches:\n      - a\n      - ''", 5, "on.push.branches[1] is empty"),
        ("\n  push:\n    branches: ['${{ github.ref }}']", 3, "cannot hold an expression"),
        ("\n  pull_request:\n    types: [opend]", 3, "on.pull_request has no type 'opend'; did you mean 'opened'?"),
        ("\n  workflow_run:", 2, "names no `workflows`"),
        ("\n  workflow_run: {types: [completed]}", 2, "on.workflow_run has no `workflows`"),
        ("\n  schedule: daily", 2, "on.schedule is a list"),
        ("\n  schedule:\n    - cron: '* * *'", 3, "'* * *' is no cron time: it has five fields"),
        ("\n  schedule:\n    - cron: '60 0 * * *'", 3, "the minute '60' is not within 0 to 59"),
        ("\n  schedule:\n    - cron: '0 5-3 * * *'", 3, "the hour '5-3' is not within 0 to 23"),
        ("\n  schedule:\n    - cron: '0 0 0 * *'", 3, "the day '0' is not within 1 to 31"),
        ("\n  schedule:\n    - cron: '0 0 * foo *'", 3, "the month 'foo' is not within 1 to 12"),
        ("\n  schedule:\n    - cron: '0 */0 * * 7'", 3, "the hour '*/0'"),
        ("\n  schedule:\n    - corn: '* * * * *'", 3, "did you mean 'cron'?"),
        ("\n  schedule:\n    - timezone: UTC", 3, "has no `cron`"),
        ("\n  workflow_dispatch:\n    inputs: [a]", 3, "is a mapping, not a list"),
        ("\n  workflow_dispatch:\n    inputs:\n      a: {typ: string}", 4, "did you mean 'type'?"),
        (
            "\n  workflow_dispatch:\n    inputs:\n      a:\n        type: bool",
            5,
            "boolean, choice, number, environment",
        ),
        ("\n  workflow_dispatch:\n    inputs:\n      a: {type: choice}", 4, "a choice without `options`"),
        ("\n  workflow_dispatch:\n    inputs:\n      a: {options: [a]}", 4, "only `type: choice` has"),
        ("\n  workflow_dispatch:\n    inputs:\n      a: {type: choice, options: a}", 4, "options is a list"),
        (
            "\n  workflow_dispatch:\n    inputs:\n      a: {type: choice, options: [a], default: b}",
            4,
            "one of a, not 'b'",
        ),
        ("\n  workflow_dispatch:\n    inputs:\n      a: {type: boolean, default: yes}", 4, "true or false, not 'yes'"),
        ("\n  workflow_dispatch:\n    inputs:\n      a: {type: number, default: x}", 4, "is a number, not 'x'"),
        ("\n  workflow_dispatch:\n    inputs:\n      a: {required: 1}", 4, "required is true or false"),
        (
            "\n  workflow_dispatch:\n    inputs: {" + ", ".join(f"a{place}: " for place in range(26)) + "}",
            3,
            "on.workflow_dispatch.inputs are 26; GitHub allows at most 25",
        ),
    ],
)
def test_events_and_filters(on: str, line: int, told: str) -> None:
    """Names, types, filters and inputs."""
    found, message = refused(f"on: {on}\n{JOBS}\n")
    assert (found, told in message) == (line, True), message


def test_on_is_a_key_and_no_boolean() -> None:
    """YAML 1.1 would read it as true."""
    assert list(started_by("push").raw) == ["on", "jobs"]


def test_aliases_that_multiply() -> None:
    """A small file may not become a huge one."""
    lines = ["on: push", "a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    assert "aliases multiply" in refused("\n".join(lines))[1]


def test_nesting_beyond_all_measure() -> None:
    """An error, and no crash."""
    assert "nested too deep" in refused("on: " + "[" * 1_100)[1]


def test_errors_read_like_those_of_a_compiler() -> None:
    """File, line, message; a file as a whole has no line."""
    with pytest.raises(WorkflowInvalid) as caught:
        load(PATH, "on: pusch\njobs: {}\n")
    assert str(caught.value) == f"{PATH}:1: there is no event 'pusch'; did you mean 'push'?"
    with pytest.raises(WorkflowInvalid) as caught:
        load(PATH, "")
    assert str(caught.value) == f"{PATH}: the file is empty; a workflow needs `on` and `jobs`"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".github/workflows/train.yml", True),
        (".github/workflows/train.yaml", True),
        (".github/workflows/deeper/train.yml", False),
        (".github/workflows/train.json", False),
        ("workflows/train.yml", False),
    ],
)
def test_where_workflows_live(path: str, expected: bool) -> None:
    """Directly in .github/workflows, as YAML."""
    assert is_workflow(path) is expected


@pytest.mark.parametrize("cron", ["*/5 0-6/2 1,15 JAN-mar Sun", "0 0 31 12 6", "59 23 * * mon-fri"])
def test_times_that_github_knows(cron: str) -> None:
    """Steps, ranges, lists and names in any case."""
    assert started_by(f"{{schedule: [{{cron: '{cron}'}}]}}").job_keys == ("a",)
