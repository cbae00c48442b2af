"""``lock``: what a run left of its ``dvc.lock``, shown or brought to where it belongs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit.cli.beside import Beside, RunName, aimed, check_objects, given, sentence, store_of, tell
from runnerkit.cli.common import AsJson, DryRun, echo, ending_well, print_json

if TYPE_CHECKING:
    from runnerkit.job.locks.bundle import Bundle
    from runnerkit.job.pipeline import Project

app = typer.Typer(help="Bring back the dvc.lock of a run.", rich_markup_mode=None, no_args_is_help=True)
From = Annotated[
    str,
    typer.Option(
        "--from", help="A folder with the artifact, `s3` for what this run left beside the remote, or a run's id."
    ),
]


@app.command("show")
def show(source: From = "s3", store: Beside = "", name: RunName = "", as_json: AsJson = False) -> None:
    """Show what a run left: the commit it belongs to, its files, and whether all data is on the remote."""
    with ending_well(as_json=as_json):
        bundle = _bundle(source, store, name)
        checked = _checked(bundle)
    if as_json:
        print_json({**bundle.as_dict(texts=True), **checked})
    else:
        echo(_shown(bundle, checked))


@app.command("apply")
def apply(  # noqa: PLR0917 - typer passes every option by its name
    source: From = "s3",
    way: Annotated[str, typer.Option("--as", help="worktree, commit or pr.")] = "worktree",
    branch: Annotated[str, typer.Option("--branch", help="The branch; that of the run by default.")] = "",
    repo: Annotated[str, typer.Option("--repo", "-r", help="Repository as OWNER/NAME; GitHub says by default.")] = "",
    message: Annotated[str, typer.Option("--message", "-m", help="The first line of the commit.")] = "",
    store: Beside = "",
    name: RunName = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take the lock that a run left into this checkout, commit it to its branch, or propose it as a pull request.

    For a hosted job that runs no training code, with `contents: write`. What was left is checked first: that it is a
    lock, that its data is on the remote (in a checkout with the remote's credentials), and that the branch has not
    moved past it. When the lock is there already nothing is done, and that is a success.
    """
    from runnerkit.errors import ConfigError

    with ending_well(as_json=as_json):
        if way not in {"worktree", "commit", "pr"}:
            raise ConfigError(f"--as {way} is not known", hint="worktree, commit or pr")
        bundle = _bundle(source, store, name)
        checked = _checked(bundle)
        done = _apply(bundle, way, {"branch": branch, "repo": repo, "message": message}, dry_run=dry_run)
    if as_json:
        print_json({**done, **checked, "dry_run": dry_run})
    else:
        echo(done["said"])


def _bundle(source: str, store: str, name: str) -> Bundle:
    from runnerkit.errors import ConfigError
    from runnerkit.job.locks import bundle, leaving

    folder = Path(source)
    if source != "s3" and (folder.is_dir() or os.sep in source):
        return bundle.read(folder)
    run, _, attempt = (os.environ.get("GITHUB_RUN_ID", "") if source == "s3" else source).partition("-")
    if not run:
        raise ConfigError("outside of a run, --from needs to say which one left the lock", hint="--from RUN")
    number = int(attempt) if attempt.isascii() and attempt.isdigit() else None
    return leaving.newest(store_of(None, store), f"local-{attempt}" if run == "local" else run, name, number)


def _project() -> Project | None:
    from runnerkit.errors import ConfigError
    from runnerkit.job.pipeline import Project

    try:
        return Project.find(Path.cwd())
    except ConfigError:
        return None


def _checked(bundle: Bundle) -> dict[str, Any]:
    project = _project()
    if project is None:
        tell("::notice::runnerkit: this is no checkout of a DVC project, so its remote was not asked for the data")
        return {"objects": None}
    return {"objects": check_objects(bundle, project)}


def _apply(bundle: Bundle, way: str, words: dict[str, str], *, dry_run: bool) -> dict[str, Any]:
    from runnerkit.job.locks.offering import NO_WORKFLOW

    if way == "worktree":
        return _taken(bundle, dry_run=dry_run)
    if dry_run:
        to = aimed(bundle, **words)
        files = ", ".join(bundle.committed)
        return {"done": "nothing", "branch": to.branch, "said": f"would offer {files} to {to.branch} of {to.repo}"}
    done = given(bundle, way, **words)
    if done.what == "committed" and os.environ.get("GITHUB_ACTIONS") == "true":
        tell(f"::notice::runnerkit: {NO_WORKFLOW}")
    return {**done.as_dict(), "said": sentence(done)}


def _taken(bundle: Bundle, *, dry_run: bool) -> dict[str, Any]:
    from runnerkit.errors import ConfigError
    from runnerkit.job.checks import git
    from runnerkit.job.locks.worktree import taken

    top = (git(Path.cwd(), "rev-parse", "--show-toplevel") or "").strip()
    if not top:
        raise ConfigError("this is no git checkout", hint="check the repository out, or use --as commit or --as pr")
    changed = taken(bundle, Path(top), dry_run=dry_run)
    files = ", ".join(changed)
    said = f"{'would write' if dry_run else 'written'}: {files}" if changed else "this checkout holds the lock already"
    return {"done": "written" if changed else "unchanged", "files": changed, "said": said}


def _shown(bundle: Bundle, checked: dict[str, Any]) -> str:
    run = f"run {bundle.run}, attempt {bundle.attempt}" if bundle.run else "a run outside of GitHub"
    lines = [f"lock of {run}, made {bundle.made}", f"commit {bundle.head} of {bundle.branch or 'no branch'}"]
    kinds = {True: "", False: " (git ignores it)"}
    lines += [f"  {file.path}{kinds[file.commits]}" for file in bundle.files]
    count = checked["objects"]
    return "\n".join(lines if count is None else [*lines, f"{count} objects, all on the remote"])
