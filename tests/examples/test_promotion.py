"""``examples/promotion``: a model goes from development to production, merged, approved and told, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from runnerkit.sandbox.github.git import writing
from runnerkit.testing.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.sandbox.github.records import Issue, Run
    from tests.examples.conftest import Play
    from tests.theatre import Theatre

BUCKET = "acme-models"
PATIENCE = 240.0


class Team:
    """The theatre, what the team does in it, and its Slack."""

    def __init__(self, theatre: Theatre, slack: Sink) -> None:
        self.theatre = theatre
        self.slack = slack
        self.github = theatre.world.github
        self.repo = theatre.repo

    def runs(self, workflow: str) -> list[Run]:
        """The runs of one workflow, oldest first."""
        return [run for run in self.theatre.runs if run.path.endswith(f"/{workflow}.yml")]

    def over(self, run: Run) -> dict[str, str | None]:
        """Wait for a run, and say how its jobs ended."""
        theatre = self.theatre
        done = f"{run.workflow} is over"
        theatre.until(done, lambda: all(each.status == "completed" for each in theatre.jobs(run)), PATIENCE)
        return {job.name: job.conclusion for job in theatre.jobs(run)}

    def waits(self, run: Run) -> bool:
        """Whether a run asks for an approval."""
        return any(job.status == "waiting" for job in self.theatre.jobs(run))

    def train(self) -> Run:
        """Press the button that trains."""
        return self.github.dispatch(self.repo, "train.yml", ref="development")

    def proposed(self) -> Issue:
        """The newest pull request, which proposes a model."""
        with self.github.state.open(reading=True):
            return max((each for each in self.github.state.issues.values() if each.pull), key=lambda each: each.number)

    def promote(self, head: str, base: str) -> Issue:
        """Ask to bring one branch into the next."""
        return self.github.open_pull_request(self.repo, head=head, base=base, title=f"{head} to {base}")

    def merge(self, pull: Issue) -> None:
        """Press the button that merges."""
        self.github.merge_pull_request(self.repo, pull.number)

    def serves(self, environment: str) -> str | None:
        """The model that an environment serves, by its hash."""
        s3, key = self.theatre.world.aws("s3"), f"promotion/environments/{environment}.json"
        if not s3.list_objects_v2(Bucket=BUCKET, Prefix=key).get("Contents"):
            return None
        return str(json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())["sha256"])

    def card(self, branch: str) -> dict[str, Any]:
        """The model card of a branch."""
        found = self.github.read_file(self.repo, "model.yaml", branch)
        assert found is not None
        card: dict[str, Any] = yaml.safe_load(found)
        return card

    def told(self) -> list[str]:
        """What Slack was told since the last look."""
        found, self.slack.messages = self.slack.texts, []
        return found


@pytest.fixture
def team(play: Play) -> Iterator[Team]:
    """The repository with its branches, environments with reviewers, and a Slack."""
    with Sink() as slack:
        variables = {"BUCKET": BUCKET, "AWS_REGION": "us-east-1", "RUNNERKIT": "runnerkit"}
        theatre = play("promotion", bucket=BUCKET, branch="development", variables=variables)
        github, repo = theatre.world.github, theatre.repo
        with github.state.open():
            tip = github.state.ref_sha(repo, "refs/heads/development")
            for branch in ("staging", "master"):
                writing.move(github.state.git, repo, f"refs/heads/{branch}", tip)
        for name in ("staging", "production"):
            github.add_environment(repo, name, ["hubot"])
        github.set_secret(repo, "SLACK", slack.url)
        github.set_secret(repo, "PROPOSER_TOKEN", github.add_token("fine-grained"))
        yield Team(theatre, slack)


def test_a_model_goes_to_production_by_merges_and_approvals(team: Team) -> None:
    """Trained on a machine, proposed, tested, merged; nothing is deployed that was not merged and approved."""
    theatre, github = team.theatre, team.github
    theatre.controller()
    assert {"train": "success", "propose": "success", "tell": "success"} == team.over(team.train()), theatre.describe()
    proposal = team.proposed()
    (tested,) = team.runs("ci")
    assert {"test": "success"} == team.over(tested), theatre.describe()
    card = team.card(f"model/{team.runs('train')[0].id}")
    assert {"name", "uri", "sha256", "bytes", "metrics", "params", "trained", "features"} == set(card)
    assert 30 == len(card["features"])
    team.merge(proposal)
    # Abandoned: GitHub says closed of it, too.
    abandoned = team.promote("development", "staging")
    github.close_pull_request(team.repo, abandoned.number)
    (nothing,) = team.runs("deploy-staging")
    assert {"deploy": "skipped"} == team.over(nothing)
    merged = team.promote("development", "staging")
    team.merge(merged)
    deployment = team.runs("deploy-staging")[-1]
    theatre.until("it asks for an approval", lambda: team.waits(deployment))
    assert team.serves("staging") is None
    github.approve(deployment, "staging", "hubot")
    assert {"deploy": "success"} == team.over(deployment), theatre.describe()
    assert (card["sha256"], None) == (team.serves("staging"), team.serves("production"))
    with github.state.open(reading=True):
        assert {"staging", "production"} == {each.name for each in github.state.environments.values()}
    theatre.expected_refusals = False
    print(team.told())
    theatre.ends("success", machines=1)
