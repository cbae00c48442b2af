"""The workflows that are written: jobs that launch, run and report. Pure; every text of the checkout's is quoted."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING

from runnerkit.beginning.texts import literal, quoted
from runnerkit.beginning.words import Way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.beginning.words import Answers, Found

NAME, MAIN, RESUME = "runnerkit", ".github/workflows/runnerkit.yml", ".github/workflows/runnerkit-resume.yml"
CHECKOUT = """\
- uses: actions/checkout@v5
  with:
    persist-credentials: false
"""
PYTHON = """\
- uses: actions/setup-python@v6
  with:
    python-version: {version}
"""
INSTALL = """\
- name: Install runnerkit
  run: python -m pip install --quiet "${RUNNERKIT:?the variable RUNNERKIT of the repository is not set}"
  env:
    RUNNERKIT: ${{ vars.RUNNERKIT }}
"""
CREDENTIALS = """\
- uses: aws-actions/configure-aws-credentials@v5
  with:
    role-to-assume: ${{{{ {role} }}}}
    aws-region: {region}
"""
LAUNCH = """\
- name: Launch the machine and wait for its runner
  id: launch
  run: runnerkit launch --wait
{folder}  env:
    GH_TOKEN: ${{{{ secrets.RUNNERKIT_TOKEN }}}}
"""
PIPELINE = """\
- name: Run the pipeline
  # Finished stages are on the remote already when AWS takes the machine back; `exec` lets the signal reach them.
  run: exec runnerkit dvc run
- name: Report
  if: ${{ !cancelled() }}
  run: runnerkit report
  env:
    GITHUB_TOKEN: ${{ github.token }}
- name: Keep the lock and what was measured
  if: ${{ !cancelled() }}
  uses: actions/upload-artifact@v4
  with:
    name: run
    include-hidden-files: true
    path: |
"""
PACKAGES = "- name: Install the project's packages"
# A fork's code gets neither the identity nor a machine; other events have no such head.
OURS = "github.event_name != 'pull_request' || github.event.pull_request.head.repo.full_name == github.repository"


def text(found: Found, answers: Answers) -> str:
    """The workflow that runs the pipeline, or a command where there is none."""
    launch = answers.way is Way.LAUNCH
    jobs = ([_launch(found, answers)] if launch else []) + [_train(found, answers)]
    head = [*_opening(found, answers), f"name: {NAME}", "", *_on(found), "", "permissions: {}", "", *_concurrency(), ""]
    return "\n".join([*head, "jobs:", "\n".join(jobs)])


HOSTED = """\
# {what} on a machine that exists for this run only: a hosted job launches it, the next job runs on it.
# When you repeat it, re-run all jobs: the machine of the first attempt is gone. After AWS took one back,
# runnerkit-resume.yml does that by itself. The machine is described in {config}.
#
# It takes, in the repository's settings: the variable RUNNERKIT (what pip shall install), the variable AWS_ROLE (the
# role that may launch), AWS_JOB_ROLE (what the job itself may do, such as read and write the DVC remote; AWS_ROLE
# where it is not set) and the secret RUNNERKIT_TOKEN."""
CONTROLLED = """\
# {what} on a machine that exists for this job only: a controller sees the label in `runs-on` and
# launches it.
#
# It takes, in the repository's settings: the variable RUNNERKIT (what pip shall install) and the variable AWS_JOB_ROLE
# (the role of the job, which may read and write the DVC remote)."""


def _opening(found: Found, answers: Answers) -> Iterator[str]:
    what = "Runs the DVC pipeline" if found.pipeline else "Runs a command"
    text = HOSTED if answers.way is Way.LAUNCH else CONTROLLED
    yield text.format(what=what, config=f"{found.prefix}runnerkit.toml")
    if not answers.region:
        yield "# And the variable AWS_REGION."


def _on(found: Found) -> Iterator[str]:
    yield "on:"
    if found.pipeline is None:
        yield from ("  push:", "    branches:", f"      - {quoted(literal(found.branch))}")
    else:
        yield "  pull_request:"
        yield "    # What the pipeline is made of, as dvc.yaml says; add what it reads beside that."
        yield "    paths:"
        yield from (f"      - {quoted(path)}" for path in _paths(found))
    yield "  workflow_dispatch:"


def _paths(found: Found) -> Iterator[str]:
    """The filters: a path without an ending may be a folder, and what DVC keeps changes in git as a file ``.dvc``."""
    watched = found.pipeline.watched if found.pipeline else ()
    for path in watched:
        if path.endswith("**"):
            yield f"{literal(path.removesuffix('**'))}**"
            continue
        yield literal(path)
        if "." not in path.rpartition("/")[2]:
            yield f"{literal(path)}/**"
    yield f"{literal(found.prefix)}**.dvc"
    yield from (literal(f"{found.prefix}{name}") for name in found.packages.files)
    yield MAIN


def _concurrency() -> Iterator[str]:
    yield "concurrency:"
    yield "  # A number: a fork may name its branch as ours is named, and would cancel our run."
    yield f"  group: {NAME}-${{{{ github.event.pull_request.number || github.ref_name }}}}"
    yield "  cancel-in-progress: true"


def _launch(found: Found, answers: Answers) -> str:
    # Installed before the checkout: `python -m` would take a pip.py of the repository for pip.
    steps = [PYTHON.format(version=quoted(found.packages.python)), INSTALL, CHECKOUT]
    steps += [_credentials(answers, "vars.AWS_ROLE"), LAUNCH.format(folder=_in_folder(found))]
    head = [f"if: {OURS}"] if found.pipeline else []
    head += ["runs-on: ubuntu-24.04", "timeout-minutes: 30"]
    head += _environment(answers, "Who approves this job approves the machine.")
    head += ["permissions:", "  contents: read # for runnerkit.toml", "  id-token: write # to become the AWS role"]
    head += ["outputs:", "  label: ${{ steps.launch.outputs.label }}"]
    return _job("launch", head, steps)


def _train(found: Found, answers: Answers) -> str:
    launch, dvc = answers.way is Way.LAUNCH, found.pipeline
    head = ["needs: launch"] if launch else []
    head += [f"if: {OURS}"] if dvc and not launch else []
    head += [f"runs-on: {'${{ needs.launch.outputs.label }}' if launch else _label(answers)}", "timeout-minutes: 330"]
    head += [] if launch else _environment(answers, "Who approves this job approves its machine.")
    head += ["permissions:", "  contents: read"]
    on_s3 = dvc is None or dvc.kind == "s3"
    head += ["  id-token: write # to become the AWS role of the job"] if on_s3 and dvc else []
    head += ["  pull-requests: write # the report"] if dvc else []
    steps = [CHECKOUT]
    if dvc or found.packages.manager or found.script:
        steps += [PYTHON.format(version=quoted(found.packages.python))]
    steps += [INSTALL] if dvc else []
    steps += list(_packages(found))
    if dvc and on_s3:
        steps.append(_credentials(answers, "vars.AWS_JOB_ROLE || vars.AWS_ROLE"))
    kept = [f"{found.prefix}{name}" for name in (".runnerkit/", "dvc.lock")]
    keep = f"{indent(chr(10).join(kept), '      ')}\n    if-no-files-found: ignore\n"
    steps += [PIPELINE + keep] if dvc else list(_command(found, answers))
    return _job("train", [*head, *_folder(found)], steps)


def _label(answers: Answers) -> str:
    """With the run's number it is a label of this run's own."""
    return f"runnerkit=${{{{ github.run_id }}}}/gpu={answers.gpu}{'/cpu=4' if answers.gpu == '0' else ''}"


def _environment(answers: Answers, why: str) -> list[str]:
    return [f"# {why}", f"environment: {quoted(answers.environment)}"] if answers.environment else []


def _folder(found: Found) -> list[str]:
    folder = found.prefix.rstrip("/")
    return ["defaults:", "  run:", f"    working-directory: {quoted(folder)}"] if folder else []


def _in_folder(found: Found) -> str:
    """For the one step that reads our configuration, in a job that has steps before its checkout."""
    folder = found.prefix.rstrip("/")
    return f"  working-directory: {quoted(folder)}\n" if folder else ""


def _credentials(answers: Answers, role: str) -> str:
    usual = f" || '{answers.region}'" if answers.region else ""
    return CREDENTIALS.format(role=role, region=f"${{{{ vars.AWS_REGION{usual} }}}}")


def _packages(found: Found) -> Iterator[str]:
    """What installs the project's packages, and DVC where they do not bring it."""
    packages = found.packages
    own = '- run: echo "$PWD/.venv/bin" >> "$GITHUB_PATH"\n'
    if packages.manager == "uv":
        yield f"{PACKAGES}\n  run: |\n    python -m pip install --quiet uv\n    uv sync --frozen\n"
        yield own
    elif packages.manager == "poetry":
        yield (
            f"{PACKAGES}\n  run: |\n    python -m pip install --quiet poetry\n"
            '    poetry install --no-interaction\n  env:\n    POETRY_VIRTUALENVS_IN_PROJECT: "true"\n'
        )
        yield own
    elif packages.manager:
        what = "--requirement requirements.txt" if packages.manager == "pip" else "."
        yield f"{PACKAGES}\n  run: python -m pip install --quiet {what}\n"
    if found.pipeline and not packages.has_dvc:
        extra = {"s3": "[s3]", "gs": "[gs]", "azure": "[azure]", "ssh": "[ssh]"}.get(found.pipeline.kind, "")
        yield f'- name: Install DVC\n  run: python -m pip install --quiet "dvc{extra}"\n'


def _command(found: Found, answers: Answers) -> Iterator[str]:
    """What stands for the command of a project that nothing tells about."""
    look = "nvidia-smi" if answers.gpu != "0" else "uname --all"
    if found.script:
        yield f"- run: {look}\n- name: Train\n  run: exec python {found.script}\n"
    else:
        yield f"# Your command goes here.\n- run: {look}\n"


def _job(name: str, head: list[str], steps: list[str]) -> str:
    return f"  {name}:\n{indent(chr(10).join(head), '    ')}\n    steps:\n{indent(''.join(steps), '      ')}"


def resume(found: Found, answers: Answers) -> str:
    """The workflow that lets a run go on whose machine AWS took back."""
    head = (
        "# When AWS took back the machine of a run, it is launched again and GitHub runs what failed again.\n"
        "# A run that merely failed stays as it is.\n"
        f"name: {NAME}-resume\n\non:\n"
        "  # It runs no code of the run it hears of, and of nobody else's: what is checked out is the default branch.\n"
        "  workflow_run: # zizmor: ignore[dangerous-triggers]\n"
        f"    workflows: [{NAME}]\n    types: [completed]\n\npermissions: {{}}\n\n"
        "# One after the other for each run.\nconcurrency:\n"
        f"  group: {NAME}-resume-${{{{ github.event.workflow_run.id }}}}\n  cancel-in-progress: false\n\njobs:\n"
    )
    condition = (
        "if: >-\n"
        "  github.event.workflow_run.conclusion != 'success' && github.event.workflow_run.run_attempt <= 2\n"
        "  && github.event.workflow_run.head_repository.full_name == github.repository"
    )
    job = ["# As often as runs are repeated (max_reruns), so that the third failure costs no hosted runner.", condition]
    job += ["runs-on: ubuntu-24.04", "timeout-minutes: 20", *_environment(answers, "It launches, too.")]
    job += ["permissions:", "  contents: read # for runnerkit.toml", "  id-token: write # to become the AWS role"]
    steps = [PYTHON.format(version=quoted(found.packages.python)), INSTALL, CHECKOUT]
    steps += [_credentials(answers, "vars.AWS_ROLE"), RESUMES.format(folder=_in_folder(found))]
    return head + _job("resume", job, steps)


RESUMES = """\
- name: Let the run go on if AWS interrupted it
  run: runnerkit resume "$RUN"
{folder}  env:
    RUN: ${{{{ github.event.workflow_run.id }}}}
    GH_TOKEN: ${{{{ secrets.RUNNERKIT_TOKEN }}}}
"""
