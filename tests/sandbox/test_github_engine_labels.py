import pytest

from runnerkit.sandbox.github import GitHubWorld
from tests.sandbox.github_world import REPO, RUNNERS, call, register


@pytest.fixture
def labels(world: GitHubWorld, token: str) -> str:
    """The address of the labels of a registered runner."""
    number = register(world, token, "rk-1", "self-hosted", "gpu").body["runner"]["id"]
    return f"{RUNNERS}/{number}/labels"


def names(answer: object) -> list[str]:
    assert isinstance(answer, dict)
    assert answer["total_count"] == len(answer["labels"])
    return [each["name"] for each in answer["labels"]]


def test_labels_are_added_set_and_removed(world: GitHubWorld, token: str, labels: str) -> None:
    """Read-only ones always stay, and no label is there twice."""
    assert names(call(world, "GET", labels, token=token).body) == ["self-hosted", "gpu"]
    assert names(call(world, "POST", labels, {"labels": ["big", "GPU"]}, token).body) == ["self-hosted", "gpu", "big"]
    assert names(call(world, "PUT", labels, {"labels": ["small"]}, token).body) == ["self-hosted", "small"]
    assert names(call(world, "DELETE", f"{labels}/Small", token=token).body) == ["self-hosted"]
    assert call(world, "POST", labels, {"labels": ["x"]}, token).status == 200
    assert names(call(world, "DELETE", labels, token=token).body) == ["self-hosted"]


def test_what_cannot_be_done_to_labels(world: GitHubWorld, token: str, labels: str) -> None:
    """404 for a label that is not there, 422 for one that stays and for one that is too long."""
    assert call(world, "DELETE", f"{labels}/none", token=token).status == 404
    assert call(world, "DELETE", f"{labels}/self-hosted", token=token).status == 422
    assert call(world, "POST", labels, {"labels": ["x" * 257]}, token).status == 422
    assert call(world, "POST", labels, {"labels": ["x"]}, world.add_token("actions")).status == 403


def test_a_new_label_makes_a_waiting_job_fit(world: GitHubWorld, token: str, labels: str) -> None:
    """The queue is looked through at once."""
    job = world.queue_job(REPO, ["gpu", "big"])
    world.runner_connects(world.runners()[0].id)
    assert job.status == "queued"
    assert call(world, "POST", labels, {"labels": ["big"]}, token).status == 200
    assert job.status == "in_progress"
