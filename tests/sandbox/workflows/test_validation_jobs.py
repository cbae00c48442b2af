"""What GitHub refuses in jobs and their steps, with the line and a message worth reading."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.sandbox.workflows.files import STEPS, plans, refused, with_job, workflow


# Each job begins in line 3 with its key; its own keys begin in line 4.
@pytest.mark.parametrize(
    ("job", "line", "told"),
    [
        (f"steps: {STEPS}", 3, "jobs.train has no `runs-on`"),
        (f"runs-on:\nsteps: {STEPS}", 4, "runs-on names no machine"),
        (f"runs-on: []\nsteps: {STEPS}", 4, "runs-on names no machine"),
        (f"runs-on: ['']\nsteps: {STEPS}", 4, "runs-on[0] is empty"),
        (f"runs-on: {{}}\nsteps: {STEPS}", 4, "names neither a group nor labels"),
        (f"runs-on: {{label: x}}\nsteps: {STEPS}", 4, "did you mean 'labels'?"),
        (f"runs-on: ${{{{ env.X }}}}\nsteps: {STEPS}", 4, "the context 'env' cannot be used here"),
        ("runs-on: x", 3, "jobs.train has no `steps`"),
        ("runs-on: x\nsteps: []", 5, "a list of steps with at least one"),
        ("runs-on: x\nsteps: {run: x}", 5, "a list of steps with at least one, not a mapping"),
        ("uses: ./.github/workflows/x.yml\nsteps: [{run: a}]", 5, "has no key 'steps'"),
        (f"snapshot: x\nruns-on: x\nsteps: {STEPS}", 4, "not supported here (yet)"),
        (f"run-on: x\nsteps: {STEPS}", 4, "jobs.train has no key 'run-on'; did you mean 'runs-on'?"),
        ("needs: bild", 4, "needs 'bild', which is no job of this workflow; known are train"),
        ("needs: trains", 4, "did you mean 'train'?"),
        ("needs: train", 4, "jobs.train waits for itself"),
        ("needs:\n  - [a]", 5, "is text, not a list"),
        ("needs:", 4, "is the key of a job or a list"),
        ("needs: '${{ github.x }}'", 4, "cannot hold an expression"),
        (
            "if: secrets.A != ''",
            4,
            "the context 'secrets' cannot be used here; known here are github, inputs, needs, vars",
        ),
        ("if: ${{ matrix.x }}", 4, "the context 'matrix' cannot be used here"),
        ('if: github.ref == "x"', 4, "jobs.train.if: strings stand in single quotes"),
        ("if: ${{ github.ref == 'x'", 4, "'}}' is missing"),
        ("if: hashFiles('x')", 4, "the function hashFiles() cannot be used here"),
        ("if: !github.x", 4, "does not take the tag '!github.x'"),
        ("if: [a]", 4, "is an expression, not a list"),
        ("if: sucess()", 4, "there is no function sucess(); did you mean 'success'?"),
        ("if: always(1)", 4, "always() takes 0 arguments, not 1"),
        ("if: gitub.ref", 4, "there is no context 'gitub'; did you mean 'github'?"),
        ("name: ${{ contains('a') }}", 4, "contains() takes 2 arguments, not 1"),
        ("name: ${{ toJSON() }}", 4, "toJSON() takes 1 argument, not 0"),
        ("name: ${{ join() }}", 4, "join() takes 1 to 2 arguments, not 0"),
        ("name: ${{ case(true, 1, false, 2) }}", 4, "pairs of a condition and a value"),
        ("name: ${{ success() }}", 4, "the function success() cannot be used here"),
        ("timeout-minutes: 0", 4, "timeout-minutes is a number of minutes above 0, not '0'"),
        ("timeout-minutes: soon", 4, "a number of minutes above 0, not 'soon'"),
        ("timeout-minutes: true", 4, "a number of minutes above 0, not 'true'"),
        ("continue-on-error: on", 4, "true or false, not 'on'; GitHub reads YAML 1.2"),
        ("strategy: {matrix: {a: [1]}, max-parallel: 0}", 4, "max-parallel is a whole number from 1 on"),
        ("strategy: {matrix: {a: [1]}, fail_fast: false}", 4, "did you mean 'fail-fast'?"),
        ("strategy:\n  matrix:\n    a: 1", 6, "strategy.matrix.a is a list, not '1'"),
        ("strategy:\n  matrix: [a]", 5, "strategy.matrix is a mapping, not a list"),
        ("strategy:\n  matrix:\n    a: []", 5, "matrix.a has no values"),
        (
            f"strategy:\n  matrix: {{a: {list(range(20))}, b: {list(range(20))}}}",
            5,
            "makes 400 jobs; GitHub allows at most 256",
        ),
        ("strategy:\n  matrix: {a: ['${{ matrix.b }}']}", 5, "'matrix' cannot be used here"),
        ("strategy: ${{ secrets.x }}", 4, "'secrets' cannot be used here"),
        ("environment: {url: x}", 4, "environment has no `name`"),
        ("environment: {name: x, link: y}", 4, "environment has no key 'link'"),
        ("environment: ${{ secrets.A }}", 4, "'secrets' cannot be used here"),
        ("outputs: [a]", 4, "outputs is a mapping, not a list"),
        ("outputs: {a: '${{ steps.a'}", 4, "'}}' is missing"),
        ("env: {A: '${{ steps.a.outputs.b }}'}", 4, "'steps' cannot be used here"),
        ("container: {env: {A: 1}}", 4, "container has no `image`"),
        ("container: {image: a, port: [1]}", 4, "did you mean 'ports'?"),
        ("container: {image: a, ports: 80}", 4, "container.ports is a list, not '80'"),
        ("container: {image: '${{ secrets.A }}'}", 4, "'secrets' cannot be used here"),
        ("container: {image: a, credentials: {user: x}}", 4, "did you mean 'username'?"),
        ("services: {db: {env: {A: 1}}}", 4, "services.db has no `image`"),
        ("services: ${{ secrets.A }}", 4, "'secrets' cannot be used here"),
        ("defaults: {run: {shell: ''}}", 4, "defaults.run.shell is empty"),
        ("permissions: {contents: admin}", 4, "none or read or write, not 'admin'"),
        ("concurrency: {group: ''}", 4, "concurrency.group is empty"),
    ],
)
def test_jobs(job: str, line: int, told: str) -> None:
    """Each key of a job."""
    body = dedent(job).splitlines()
    if "runs-on" not in job and "run-on" not in job and not job.startswith(("uses", "steps")):
        body += ["runs-on: x", f"steps: {STEPS}"]
    found, message = refused("on: push\njobs:\n  train:\n" + "".join(f"    {each}\n" for each in body))
    assert (found, told in message) == (line, True), message


@pytest.mark.parametrize(
    ("step", "line", "told"),
    [
        ("- name: x", 6, "jobs.train.steps[0] has neither `run` nor `uses`"),
        ("- run: a\n  uses: a/b@v1", 7, "has both `run` and `uses`"),
        ("- make", 6, "steps[0] is a mapping, not 'make'"),
        ("- run: a\n- rum: b", 7, "steps[1] has no key 'rum'; did you mean 'run'?"),
        ("- uses: a/b@v1\n  shell: bash", 7, "has no key 'shell'"),
        ("- run: a\n  with: {x: 1}", 7, "has no key 'with'"),
        ("- uses: actions/checkout", 6, "'actions/checkout' is no action: write owner/name@ref"),
        ("- uses: ${{ matrix.action }}", 6, "cannot hold an expression"),
        ("- run: a\n  id: x\n- run: b\n  id: X", 9, "the step id 'X' is used already, in line 7"),
        ("- run: a\n  id: 1x", 7, "'1x' is no step id"),
        ("- run: a\n  env: [a]", 7, "env is a mapping, not a list"),
        ("- run: a\n  if: secrets.A", 7, "the context 'secrets' cannot be used here"),
        ("- run: a\n  if: jobs.x", 7, "the context 'jobs' cannot be used here"),
        ("- run: ${{ always() }}", 6, "the function always() cannot be used here"),
        ("- run: a\n  timeout-minutes: -1", 7, "a number of minutes above 0, not '-1'"),
        ("- run: a\n  continue-on-error: 1", 7, "true or false, not '1'"),
        ("- run: |\n    make\n    echo ${{ github.sha }\n    make", 8, "steps[0].run: the expression is not closed"),
        ("- run: |\n    make\n\n    echo ${{ gihub.sha }}", 9, "did you mean 'github'?"),
        ("- run: >\n    make\n    echo ${{ gihub.sha }}", 6, "did you mean 'github'?"),
        ("- name: a\n  run: |-\n    ${{ 'a' }}\n    ${{ 'a' == \"b\" }}", 9, "single quotes"),
        ("- parallel: []", 6, "steps with `parallel` are not supported here (yet)"),
        ("- run: a\n  background: true", 7, "steps with `background` are not supported here (yet)"),
        ("- run: [a]", 6, "run is text, not a list"),
        ("- uses: ''", 6, "uses is empty"),
    ],
)
def test_steps(step: str, line: int, told: str) -> None:
    """Each key of a step; inside a block of text the line of the expression itself."""
    body = "".join(f"      {each}\n" if each else "\n" for each in step.splitlines())
    found, message = refused(f"on: push\njobs:\n  train:\n    runs-on: x\n    steps:\n{body}")
    assert (found, told in message) == (line, True), message


@pytest.mark.parametrize("key", ["1train", "a.b", "a b", "${{ x }}", "é", "a" * 101])
def test_job_ids(key: str) -> None:
    """They begin with a letter and hold letters, digits, - and _."""
    line, message = refused(f"on: push\njobs:\n  '{key}': {{runs-on: x, steps: {STEPS}}}\n")
    assert line == 3
    assert "is no job id" in message


def test_jobs_that_wait_for_each_other() -> None:
    """The message shows the circle."""
    line, message = refused("""
        on: push
        jobs:
          first: {needs: a, runs-on: x, steps: [{run: make}]}
          a: {needs: [root, b], runs-on: x, steps: [{run: make}]}
          b: {needs: c, runs-on: x, steps: [{run: make}]}
          c: {needs: a, runs-on: x, steps: [{run: make}]}
          root: {runs-on: x, steps: [{run: make}]}
        """)
    assert (line, message) == (4, "jobs wait for each other: a needs b needs c needs a")


@pytest.mark.parametrize("uses", ["actions/checkout@v5", "a/b/c/d@main", "./.github/actions/x", "docker://alpine:3"])
def test_actions_that_may_be_used(uses: str) -> None:
    """Repositories, folders in them, local folders and images."""
    assert with_job(f"steps: [{{uses: '{uses}'}}]").jobs["train"]["steps"] == [{"uses": uses}]


def test_everything_at_once_is_taken() -> None:
    """A workflow that uses each key is not refused."""
    read = workflow("""
        name: Everything
        description: all keys
        run-name: by @${{ github.actor }}
        on:
          push: {branches: [main, '!x'], tags: [v*], paths: ['**']}
          pull_request: {types: [opened], branches-ignore: [x], paths-ignore: [docs/**]}
          workflow_dispatch: {inputs: {a: {description: d, type: choice, options: [a, 1], default: 1, required: true}}}
          workflow_run: {workflows: [ci], types: [completed], branches: [main]}
          schedule: [{cron: '0 0 * * 1', timezone: Europe/Paris}]
          repository_dispatch: {types: [anything]}
        permissions: {contents: read, id-token: write, models: read}
        env: {A: "${{ secrets.A }}"}
        defaults: {run: {shell: bash, working-directory: a}}
        concurrency: {group: x, cancel-in-progress: "${{ github.ref != 'x' }}", queue: max}
        jobs:
          a_1-b:
            name: ${{ matrix.a }}
            needs: [c]
            if: ${{ !failure() && needs.c.result == 'success' }}
            permissions: read-all
            runs-on: {group: "${{ vars.G }}", labels: [a, "${{ matrix.a }}"]}
            environment: {name: "${{ inputs.a }}", url: "${{ steps.x.outputs.url }}", deployment: false}
            concurrency: "${{ matrix.a }}"
            outputs: {x: "${{ steps.x.outputs.x }}"}
            env: {A: "${{ secrets.A }}${{ matrix.a }}"}
            defaults: {run: {shell: bash, working-directory: "${{ env.A }}"}}
            strategy:
              {matrix: {a: [1], include: "${{ fromJSON(needs.c.outputs.x) }}"}, fail-fast: false, max-parallel: 1}
            timeout-minutes: 0.5
            continue-on-error: "${{ matrix.a == 1 }}"
            container:
              {image: a, credentials: {username: a, password: "${{ secrets.A }}"}, env: {A: "${{ secrets.A }}"},
               ports: [80], volumes: [a:b], options: --gpus all}
            services: {db: {image: a}, cache: "${{ vars.IMAGE }}"}
            steps:
              - {id: x, name: "${{ env.A }}", if: "always() && hashFiles('a')", run: make, shell: bash,
                 working-directory: "${{ github.workspace }}", env: {A: "${{ secrets.A }}"}, timeout-minutes: 1.5,
                 continue-on-error: "${{ steps.y.outcome == 'x' }}"}
              - {uses: a/b@v1, with: {a: 1, b: true, c: "${{ runner.temp }}", d: }}
          c: {runs-on: "${{ vars.R || 'ubuntu-latest' }}", container: alpine, environment: prod, steps: [{run: make}]}
        """)
    assert read.job_keys == ("a_1-b", "c")
    assert list(read.on) == [
        "push",
        "pull_request",
        "workflow_dispatch",
        "workflow_run",
        "schedule",
        "repository_dispatch",
    ]


@pytest.mark.parametrize("more", ["needs: []", "strategy: {fail-fast: false}", "strategy: {max-parallel: 1}"])
def test_what_says_nothing_is_allowed(more: str) -> None:
    """An empty list of needs and a strategy without a matrix are none; GitHub's schema requires neither."""
    (only,) = plans(with_job(more))
    assert (only.name, only.problem) == ("train", None)
