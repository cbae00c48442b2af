"""Propose the model of this checkout: ``model.yaml`` and ``metrics.json`` on a branch of their own, as a pull request.

It runs on a hosted machine which has trained nothing: the machine that trains may not write to git. Run again for the
same run, it finds its branch and its pull request and leaves them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from github import Auth, Github, GithubException, InputGitTreeElement

if TYPE_CHECKING:
    from github.Repository import Repository

FILES = ("model.yaml", "metrics.json")
EXISTS = 422


def commit(repository: Repository, branch: str, onto: str, message: str) -> None:
    """Make a branch with one commit that holds the files; one that exists stays."""
    parent = repository.get_git_commit(onto)
    elements = [
        InputGitTreeElement(path, "100644", "blob", content=Path(path).read_text(encoding="utf-8")) for path in FILES
    ]
    made = repository.create_git_commit(message, repository.create_git_tree(elements, parent.tree), [parent])
    try:
        repository.create_git_ref(f"refs/heads/{branch}", made.sha)
    except GithubException as error:
        if error.status != EXISTS:
            raise


def text(card: dict[str, object]) -> str:
    """What a reviewer should see first."""
    rows = [f"| {name} | {value} |" for name, value in card["metrics"]["test"].items()]
    told = ["| on test rows | |", "| --- | ---: |", *rows, "", f"params: `{card['params']}`", f"model: `{card['uri']}`"]
    return "\n".join(told)


def main() -> None:
    """Commit, then ask for the merge."""
    card = yaml.safe_load(Path("model.yaml").read_text(encoding="utf-8"))
    base, run, sha = (os.environ[name] for name in ("GITHUB_REF_NAME", "GITHUB_RUN_ID", "GITHUB_SHA"))
    token = Auth.Token(os.environ["GITHUB_TOKEN"])
    with Github(auth=token, base_url=os.environ["GITHUB_API_URL"], lazy=True) as github:
        repository = github.get_repo(os.environ["GITHUB_REPOSITORY"])
        branch, title = f"model/{run}", f"Model {card['sha256'][:8]}"
        commit(repository, branch, sha, title)
        owner = os.environ["GITHUB_REPOSITORY"].partition("/")[0]
        found = list(repository.get_pulls(state="all", head=f"{owner}:{branch}", base=base))
        pull = found[0] if found else repository.create_pull(base, branch, title=title, body=text(card))
        print(f"::notice title=Model::{pull.html_url} proposes {card['uri']}")


if __name__ == "__main__":
    main()
