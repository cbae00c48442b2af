import io
import urllib.error
import urllib.request
import zipfile

from runnerkit.sandbox.github import GitHubWorld
from tests.sandbox.engine_ground import BOX, Listener, listen, one
from tests.sandbox.github_world import REPO, call, client

ALL = f"/repos/{REPO}/actions/artifacts"
TWO = f"on: push\njobs:\n  a:\n    {BOX}\n  b:\n    needs: a\n    {BOX}\n"


def packed(text: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(zipfile.ZipInfo("metrics.json"), text)
    return data.getvalue()


def runtime(
    world: GitHubWorld, token: str, method: str, name: str = "", data: bytes | None = None
) -> tuple[int, bytes]:
    """Speak to the artifact service as a step does."""
    url = f"{world.url}/_runnerkit/artifacts" + (f"/{name}" if name else "")
    request = urllib.request.Request(url, data, {"Authorization": f"Bearer {token}"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def finish(listener: Listener) -> None:
    assert listener.call("POST", "finish", {"conclusion": "success"}).status == 200


def test_one_job_leaves_an_artifact_to_the_next(world: GitHubWorld, token: str) -> None:
    """Upload, list, download by the runtime token of each job; then by the API."""
    run = one(world, TWO)
    first = listen(world, "box")
    key = first.message()["runtime_token"]
    assert runtime(world, key, "PUT", "metrics", packed("old"))[0] == 201
    assert runtime(world, key, "PUT", "metrics", packed("new"))[0] == 201
    finish(first)
    second = listen(world, "box", name="rk-2")
    other = second.message()["runtime_token"]
    assert runtime(world, other, "GET", "metrics") == (200, packed("new"))
    assert b'"name": "metrics"' in runtime(world, other, "GET")[1]
    finish(second)
    (told,) = call(world, "GET", f"/repos/{REPO}/actions/runs/{run.id}/artifacts", token=token).body["artifacts"]
    assert (told["name"], told["size_in_bytes"], told["workflow_run"]["id"]) == ("metrics", len(packed("new")), run.id)
    with urllib.request.urlopen(
        urllib.request.Request(told["archive_download_url"], headers={"Authorization": f"Bearer {token}"}), timeout=30
    ) as answer:
        assert answer.read() == packed("new")


def test_a_runtime_token_is_good_for_its_job_only(world: GitHubWorld) -> None:
    """Nobody writes after the job is over, or without a token."""
    one(world, TWO)
    listener = listen(world, "box")
    key = listener.message()["runtime_token"]
    assert runtime(world, "made-up", "PUT", "x", packed(""))[0] == 401
    finish(listener)
    assert runtime(world, key, "PUT", "x", packed(""))[0] == 401
    assert runtime(world, key, "GET")[0] == 401


def test_what_is_no_archive_or_no_name_is_refused(world: GitHubWorld) -> None:
    """GitHub's rules for names, and a zip that is one; what is not there is named with what is."""
    one(world, TWO)
    key = listen(world, "box").message()["runtime_token"]
    assert runtime(world, key, "PUT", "metrics", b"no zip")[0] == 422
    assert runtime(world, key, "PUT", "a%3Ab", packed(""))[0] == 422
    assert runtime(world, key, "PUT", "metrics", packed(""))[0] == 201
    status, said = runtime(world, key, "GET", "metricz")
    assert (status, b"has metrics" in said) == (404, True)


def test_artifacts_are_listed_by_name_and_deleted(world: GitHubWorld, token: str) -> None:
    """Of the repository, newest first, through the real client."""
    run = one(world, TWO)
    key = listen(world, "box").message()["runtime_token"]
    for name in ("metrics", "plots"):
        assert runtime(world, key, "PUT", name, packed(name))[0] == 201
    assert [each["name"] for each in call(world, "GET", ALL, token=token).body["artifacts"]] == ["plots", "metrics"]
    (found,) = call(world, "GET", f"{ALL}?name=metrics", token=token).body["artifacts"]
    assert call(world, "GET", f"{ALL}/{found['id']}", token=token).body == found
    with client(world, token) as caller:
        shown = caller.get_repo(REPO).get_workflow_run(run.id).get_artifacts()
        assert sorted(each.name for each in shown) == ["metrics", "plots"]
    assert call(world, "GET", f"{ALL}/{found['id']}/tar", token=token).status == 404
    assert call(world, "DELETE", f"{ALL}/{found['id']}", token=token).status == 204
    assert call(world, "GET", f"{ALL}/{found['id']}", token=token).status == 404
    assert call(world, "GET", f"/_runnerkit/archives/{found['id']}").status == 404
