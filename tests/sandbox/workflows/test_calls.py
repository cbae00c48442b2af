"""Workflows that call workflows: what GitHub refuses, and what each side sees of the other."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING

import pytest

from runnerkit.sandbox.workflows import Home, JobOutcome, RunContext, WorkflowInvalid, advance, link, load
from runnerkit.sandbox.workflows.linking import MOST_CALLS, MOST_LEVELS

if TYPE_CHECKING:
    from runnerkit.sandbox.workflows.model import Workflow

HERE = Home("acme/train", "refs/heads/main", "a" * 40)
THERE = Home("acme/shared", "refs/tags/v1", "b" * 40)
LOCAL = "./.github/workflows/called.yml"
REMOTE = "acme/shared/.github/workflows/called.yml@v1"
CALLED = """
on:
  workflow_call:
    inputs:
      size: {type: number, required: true}
      fast: {type: boolean}
      word: {type: string, default: "${{ github.ref_name }}"}
    secrets:
      token: {required: true}
      other: {required: false}
    outputs:
      model: {value: "${{ jobs.inner.outputs.model }}"}
      how: {value: "${{ jobs.inner.result }}"}
jobs:
  inner:
    runs-on: ubuntu-latest
    outputs: {model: x}
    steps: [{run: "echo ${{ inputs.size }} ${{ inputs.fast }} ${{ inputs.word }}"}]
  last:
    needs: inner
    runs-on: ubuntu-latest
    steps: [{run: "true"}]
"""
GOOD = "with: {size: 3}\nsecrets: {token: x}"


def caller(job: str, uses: str = LOCAL, more: str = "") -> Workflow:
    """A workflow whose job `call` calls another."""
    text = f"on: push\n{more}jobs:\n  call:\n    uses: {uses}\n{indent(job, '    ')}\n"
    return load(".github/workflows/caller.yml", text)


def linked(workflow: Workflow, called: str = CALLED) -> Workflow:
    """Link it with what it calls."""
    there = load(".github/workflows/called.yml", called)

    def find(uses: str, home: Home) -> tuple[Workflow, Home] | None:
        known = {LOCAL: home, REMOTE: THERE, LOCAL.replace(".", "$", 1): home}
        return (there, known[uses]) if uses in known else None

    return link(workflow, HERE, find)


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ("with: {size: 3, speed: 1}\nsecrets: {token: x}", "declares no input 'speed'"),
        ("with: {siz: 3}\nsecrets: {token: x}", "did you mean 'size'?"),
        ("secrets: {token: x}", "the input 'size' is required"),
        ("with: {size: many}\nsecrets: {token: x}", "the input 'size' is a number, not 'many'"),
        ("with: {size: 3, fast: 'yes'}\nsecrets: {token: x}", "the input 'fast' is true or false, not 'yes'"),
        ("with: {size: 3}", "the secret 'token' is required"),
        ("with: {size: 3}\nsecrets: {token: x, more: y}", "declares no secret 'more'"),
    ],
)
def test_what_is_given_wrongly(job: str, said: str) -> None:
    """Unknown, missing and mistyped inputs and secrets are refused before any job begins, with a line."""
    with pytest.raises(WorkflowInvalid) as caught:
        linked(caller(job))
    assert said in caught.value.message
    assert caught.value.line is not None


@pytest.mark.parametrize(
    ("job", "line", "said"),
    [
        ("runs-on: x", 5, "has no key 'runs-on'"),
        ("steps: [{run: a}]", 5, "has no key 'steps'"),
        ("env: {A: b}", 5, "has no key 'env'"),
        ("timeout-minutes: 5", 5, "has no key 'timeout-minutes'"),
        ("secrets: all", 5, "inherit or a mapping"),
        ("with: {size: '${{ secrets.X }}'}", 5, "'secrets' cannot be used here"),
        ("with: {size: '${{ env.X }}'}", 5, "'env' cannot be used here"),
        ("concurrency: x", 5, "not supported here (yet)"),
    ],
)
def test_jobs_that_call_are_no_other_jobs(job: str, line: int, said: str) -> None:
    """A job that calls has few keys, and its inputs know neither secrets nor `env`."""
    with pytest.raises(WorkflowInvalid) as caught:
        caller(job)
    assert (caught.value.line, said in caught.value.message) == (line, True), str(caught.value)


@pytest.mark.parametrize(
    "uses",
    ["./called.yml", "./.github/workflows/a.yml@v1", "acme/shared@v1", "acme/shared/.github/workflows/a.yml",
     "./.github/workflows/deep/a.yml", "'${{ vars.X }}'", "actions/checkout@v5"],
)  # fmt: skip
def test_what_can_not_be_called(uses: str) -> None:
    """Only files of `.github/workflows` can be called, those of other repositories at a ref."""
    with pytest.raises(WorkflowInvalid):
        caller(GOOD, uses)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("inputs: {a: {required: true}}", "has no `type`"),
        ("inputs: {a: {type: choice}}", "of type boolean, number, string"),
        ("inputs: {a: {type: number, default: x}}", "is a number, not 'x'"),
        ("inputs: {a: {type: string, default: '${{ secrets.X }}'}}", "cannot be used here"),
        ("inputs: {a b: {type: string}}", "is no name of inputs"),
        ("secrets: {a: {default: x}}", "has no key 'default'"),
        ("outputs: {a: {description: x}}", "has no `value`"),
        ("outputs: {a: {value: '${{ needs.x.outputs.y }}'}}", "cannot be used here"),
    ],
)
def test_what_is_declared_wrongly(declared: str, said: str) -> None:
    """What a workflow says to its callers is checked with the file itself."""
    text = f"on:\n  workflow_call:\n    {declared}\njobs: {{a: {{runs-on: x, steps: [{{run: a}}]}}}}\n"
    with pytest.raises(WorkflowInvalid) as caught:
        load(".github/workflows/called.yml", text)
    assert said in caught.value.message, caught.value.message


@pytest.mark.parametrize(
    ("above", "inside", "said"),
    [
        ("", "permissions: {contents: write}\n", "the workflow is requesting 'contents: write'"),
        ("permissions: {}\n", "permissions: {contents: read}\n", "is only allowed 'contents: none'"),
        ("permissions: read-all\n", "permissions: {id-token: write}\n", "is only allowed 'id-token: none'"),
        ("permissions: {contents: write}\n", "permissions: {contents: write}\n", None),
        ("permissions: {contents: write}\n", "permissions: {contents: read}\n", None),
        ("permissions: {contents: read}\n", "", None),
    ],
)
def test_permissions_only_become_less(above: str, inside: str, said: str | None) -> None:
    """A called workflow may ask for what its caller may do, never for more; what it does not say it inherits."""
    called = CALLED.replace("jobs:\n", f"{inside}jobs:\n")
    if said is None:
        made = linked(caller(GOOD, more=above), called)
        (plan,) = advance(made, RunContext(), {}, ())
        assert plan.payload["permissions"]["contents"] == ("read" if "read" in above + inside else "write")
        return
    with pytest.raises(WorkflowInvalid) as caught:
        linked(caller(GOOD, more=above), called)
    assert said in caught.value.message


def test_circles_depth_and_strangers() -> None:
    """A circle, a nesting too deep, a file that cannot be called and one that is not there are refused."""
    with pytest.raises(WorkflowInvalid, match="not found"):
        linked(caller(GOOD, "acme/nobody/.github/workflows/a.yml@v1"))
    with pytest.raises(WorkflowInvalid, match="no 'workflow_call' trigger"):
        linked(caller(GOOD), "on: push\njobs: {a: {runs-on: x, steps: [{run: a}]}}\n")
    loop = f"on: workflow_call\njobs: {{a: {{uses: {LOCAL}}}}}\n"
    with pytest.raises(WorkflowInvalid, match="in a circle"):
        linked(caller(""), loop)

    def deeper(uses: str, _: Home) -> tuple[Workflow, Home]:
        level = int(uses.removeprefix("./.github/workflows/w").removesuffix(".yml"))
        text = f"on: workflow_call\njobs: {{a: {{uses: ./.github/workflows/w{level + 1}.yml}}}}\n"
        return load(f".github/workflows/w{level}.yml", text), HERE

    with pytest.raises(WorkflowInvalid, match=f"{MOST_LEVELS} levels"):
        link(caller("", "./.github/workflows/w0.yml"), HERE, deeper)


def test_few_files_that_call_each_other_in_many_ways() -> None:
    """Eight files with seven calls each would be millions of jobs: refused before they are counted out."""

    def wider(uses: str, _: Home) -> tuple[Workflow, Home]:
        level = int(uses.removeprefix("./.github/workflows/w").removesuffix(".yml"))
        jobs = "".join(f"  j{n}: {{uses: ./.github/workflows/w{level + 1}.yml}}\n" for n in range(7))
        if level == 7:
            jobs = "  j: {runs-on: x, steps: [{run: a}]}\n"
        return load(f".github/workflows/w{level}.yml", f"on: workflow_call\njobs:\n{jobs}"), HERE

    with pytest.raises(WorkflowInvalid, match=f"too many places; {MOST_CALLS}"):
        link(caller("", "./.github/workflows/w0.yml"), HERE, wider)


def test_what_the_called_jobs_see() -> None:
    """Keys, names, inputs with their types and defaults, whose file it is; outputs and the result come back."""
    above = load(
        ".github/workflows/caller.yml",
        f"""
on: push
jobs:
  first:
    runs-on: ubuntu-latest
    steps: [{{run: a}}]
  call:
    name: Call it
    needs: first
    strategy: {{matrix: {{n: [1, 2]}}}}
    uses: {REMOTE}
    with: {{size: "${{{{ matrix.n }}}}", fast: "${{{{ needs.first.outputs.x == '1' }}}}"}}
    secrets: {{token: "${{{{ secrets.MINE }}}}"}}
  after:
    needs: call
    runs-on: ubuntu-latest
    steps: [{{run: "echo ${{{{ needs.call.outputs.model }}}} ${{{{ needs.call.outputs.how }}}}"}}]
""",
    )
    workflow, context = linked(above), RunContext(github={"ref_name": "main"})
    done = {"first": [JobOutcome("success", {"x": "1"})]}
    plans = advance(workflow, context, done, ["first"])
    assert [(p.key, p.name, p.needs) for p in plans] == [
        ("call.0/inner", "Call it (1) / inner", ("first",)),
        ("call.1/inner", "Call it (2) / inner", ("first",)),
    ]
    assert [p.payload["inputs"] for p in plans] == [{"size": n, "fast": True, "word": "main"} for n in (1, 2)]
    assert plans[0].payload["job"]["workflow_ref"] == "acme/shared/.github/workflows/called.yml@refs/tags/v1"
    assert (plans[0].payload["github"]["job"], plans[0].secrets) == ("inner", ({"token": "${{ secrets.MINE }}"},))

    created = ["first", "call.0/inner", "call.1/inner"]
    done |= {key: [JobOutcome("success", {"model": key})] for key in created[1:]}
    last = advance(workflow, context, done, created)
    assert [p.key for p in last] == ["call.0/last", "call.1/last"]
    created += [p.key for p in last]
    done |= {p.key: [JobOutcome("success")] for p in last}
    (after,) = advance(workflow, context, done, created)
    assert after.payload["steps"] == [{"run": "echo call.1/inner success"}]
    assert set(after.needs) == set(created) - {"first"}


def test_a_call_that_is_skipped_or_given_wrongly() -> None:
    """A call whose `if` is false is one skipped job; an input that comes out wrong fails the call, with its line."""
    skipped = linked(caller("if: false\n" + GOOD))
    assert [(p.key, p.skipped) for p in advance(skipped, RunContext(), {}, ())] == [("call", True)]
    wrong = linked(caller('with: {size: "${{ github.ref_name }}"}\nsecrets: {token: x}'))
    (plan,) = advance(wrong, RunContext(github={"ref_name": "main"}), {}, ())
    assert (plan.key, "caller.yml:3: jobs.call.with.size" in (plan.problem or "")) == ("call", True)


def test_what_dollar_means() -> None:
    """`$/` is the repository of the file in which the job stands, at its commit: of the called, not of the caller."""
    called = CALLED.replace('{run: "true"}', "{uses: $/.github/actions/x}").replace("needs: inner", "if: true")
    for uses, home in ((LOCAL, HERE), (LOCAL.replace(".", "$", 1), HERE), (REMOTE, THERE)):
        plans = advance(linked(caller(GOOD, uses), called), RunContext(), {}, ())
        (step,) = next(p for p in plans if p.key == "call/last").payload["steps"]
        assert step["uses"] == f"{home.repository}/.github/actions/x@{home.sha}"
