"""``examples/promotion``: a model goes from development to production, merged, approved and told, and back."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from runnerkit.sandbox.github.git import writing
from runnerkit.testing.sink import Sink
from tests.examples.conftest import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.sandbox.github.records import Issue, Run
    from tests.examples.conftest import Play
    from tests.theatre import Theatre

HERE = EXAMPLES / "promotion"
BUCKET = "acme-models"
TAGS = [
    *("tumours#production#2", "tumours#staging#1", "tumours#staging#3", "tumours#staging#4"),
    *("tumours@v0.1.0", "tumours@v0.2.0"),
]
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

        def done() -> bool:
            jobs = theatre.jobs(run)  # none before its concurrency group lets it begin
            return bool(jobs) and all(each.status == "completed" for each in jobs)

        theatre.until(f"{run.workflow} is over", done, PATIENCE)
        return {job.name: job.conclusion for job in theatre.jobs(run)}

    def waits(self, run: Run) -> bool:
        """Whether a run asks for an approval."""
        return any(job.status == "waiting" for job in self.theatre.jobs(run))

    def train(self, branch: str = "development") -> Run:
        """Press the button that trains."""
        return self.github.dispatch(self.repo, "train.yml", ref=branch)

    def proposed(self) -> Issue:
        """The newest pull request, which proposes a model."""
        with self.github.state.open(reading=True):
            return max((each for each in self.github.state.issues.values() if each.pull), key=lambda each: each.number)

    def ask(self, head: str, base: str) -> Issue:
        """Ask to bring one branch into the next."""
        return self.github.open_pull_request(self.repo, head=head, base=base, title=f"{head} to {base}")

    def merged(self, head: str, base: str) -> Run:
        """Bring one branch into the next, and give the deployment that this begins."""
        self.merge(self.ask(head, base))
        return max(self.runs("deploy-staging") + self.runs("deploy-production"), key=lambda run: run.id)

    def deployed(self, environment: str, run: Run) -> None:
        """Wait for a deployment that asks for an approval, approve it, and see it succeed."""
        before = self.serves(environment)
        self.theatre.until("it asks for an approval", lambda: self.waits(run), PATIENCE)
        assert before == self.serves(environment)
        self.github.approve(run, environment, "hubot")
        assert {"deploy": "success", "record": "success"} == self.over(run), self.theatre.describe()

    def environments(self) -> set[str]:
        """The names of all environments, those that nobody made included."""
        found = self.theatre.world.asked(f"/repos/{self.repo}/environments")
        return {str(each["name"]) for each in found["environments"]}

    def tags(self) -> list[str]:
        """The names of all tags, sorted."""
        folder = self.github.state.git.folder(self.repo)
        said = subprocess.run(
            ["git", "-C", str(folder), "tag"],  # noqa: S607 - as found
            capture_output=True,
            text=True,
            check=True,
        )
        return sorted(said.stdout.split())

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


def test_a_model_goes_to_production_and_back(team: Team) -> None:
    """Trained on a machine, proposed, tested on every commit; only what is merged and approved serves; then back."""
    theatre, github = team.theatre, team.github
    theatre.controller()
    assert {"train": "success", "propose": "success", "tell": "success"} == team.over(team.train()), theatre.describe()
    first = team.proposed()
    assert first.pull is not None
    branch = first.pull.head_ref
    card = team.card(branch)
    assert {"name", "uri", "sha256", "bytes", "metrics", "params", "split", "trained", "features"} == set(card)
    assert (30, team.runs("train")[0].head_sha) == (len(card["features"]), card["trained"]["commit"])
    github.push(team.repo, {"NOTES.md": "Seen by a doctor.\n"}, branch=branch, message="Say who has seen it")
    tested = team.runs("ci")[-1]
    assert ({"test": "success"}, first.pull.head_sha) == (team.over(tested), tested.head_sha), theatre.describe()
    assert ["opened", "synchronize"] == [run.payload["action"] for run in team.runs("ci")]
    team.merge(first)
    assert [] == team.runs("deploy-staging")
    titles = [text.partition(" ")[2].partition(":")[0] for text in team.told()]
    assert ["Training started", "Training ended (success)"] == titles

    # A second model, and data that a broken source has spoilt, while the first goes its way.
    other = (HERE / "params.yaml").read_text(encoding="utf-8").replace("seed: 7", "seed: 3")
    github.push(team.repo, {"params.yaml": other}, branch="development", message="Split otherwise")
    spoilt = (HERE / "data.py").read_text(encoding="utf-8").replace("return rows.assign", "return (10 * rows).assign")
    github.push(team.repo, {"data.py": spoilt}, branch="spoilt", message="Take centimetres for millimetres")
    again, broken = team.train(), team.train("spoilt")

    abandoned = team.ask("development", "staging")
    github.close_pull_request(team.repo, abandoned.number)
    (nothing,) = team.runs("deploy-staging")
    assert {"deploy": "skipped", "record": "skipped"} == team.over(nothing)
    assert ({"staging", "production"}, None) == (team.environments(), team.serves("staging"))
    team.deployed("staging", team.merged("development", "staging"))
    assert (card["sha256"], None) == (team.serves("staging"), team.serves("production"))
    team.deployed("production", team.merged("staging", "master"))
    assert card["sha256"] == team.serves("production")

    assert {"train": "failure", "propose": "skipped", "tell": "success"} == team.over(broken)
    assert "mean_radius: values from" in theatre.jobs(broken)[0].log
    assert {"success"} == set(team.over(again).values()), theatre.describe()
    second = team.proposed()
    team.merge(second)
    team.deployed("staging", team.merged("development", "staging"))
    newer = team.card("staging")["sha256"]
    assert (newer, card["sha256"]) == (team.serves("staging"), team.serves("production"))
    assert newer != card["sha256"]
    back = github.dispatch(team.repo, "deploy-staging.yml", ref="staging", inputs={"back": True})
    team.deployed("staging", back)
    assert card["sha256"] == team.serves("staging")
    assert TAGS == team.tags()
    told = team.told()
    assert 4 == sum("started" in each and "Deployment" in each for each in told), told
    assert 4 == sum("ended (success)" in each and "Deployment" in each for each in told), told
    assert 1 == sum("Training ended (failure)" in each for each in told), told
    theatre.ends("success", machines=3)
