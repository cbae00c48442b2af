"""Cut GitHub's OpenAPI description down to what the local GitHub serves.

Usage: ``python scripts/cut_openapi.py SOURCE [TARGET]``, where SOURCE is the unpacked npm package ``@octokit/openapi``
or its ``generated/api.github.com.json``. The same source always gives the same bytes; the package's licence is put
beside the target.

Schemas are kept exactly; prose, examples and vendor extensions, which nothing validates, are left out.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "runnerkit" / "sandbox" / "github" / "openapi.json"
DESCRIPTION = Path("generated") / "api.github.com.json"
PROSE = frozenset({"description", "summary", "example", "examples", "externalDocs", "tags", "title"})
NAMING_MAPS = frozenset({"properties", "patternProperties", "responses", "schemas", "parameters", "headers", "content"})

_RUNNERS = {
    "": ["get"],
    "/downloads": ["get"],
    "/generate-jitconfig": ["post"],
    "/registration-token": ["post"],
    "/{runner_id}": ["get", "delete"],
    "/{runner_id}/labels": ["get", "post", "put", "delete"],
    "/{runner_id}/labels/{name}": ["delete"],
}
_RUN = {
    "": ["get"],
    "/approvals": ["get"],
    "/artifacts": ["get"],
    "/attempts/{attempt_number}": ["get"],
    "/attempts/{attempt_number}/jobs": ["get"],
    "/attempts/{attempt_number}/logs": ["get"],
    "/cancel": ["post"],
    "/force-cancel": ["post"],
    "/jobs": ["get"],
    "/logs": ["get"],
    "/pending_deployments": ["get", "post"],
    "/rerun": ["post"],
    "/rerun-failed-jobs": ["post"],
}
_ACTIONS = {
    "/artifacts": ["get"],
    "/artifacts/{artifact_id}": ["get", "delete"],
    "/artifacts/{artifact_id}/{archive_format}": ["get"],
    "/jobs/{job_id}": ["get"],
    "/jobs/{job_id}/logs": ["get"],
    "/jobs/{job_id}/rerun": ["post"],
    "/runs": ["get"],
    "/secrets": ["get"],
    "/secrets/public-key": ["get"],
    "/secrets/{secret_name}": ["get", "put", "delete"],
    "/variables": ["get", "post"],
    "/variables/{name}": ["get", "patch", "delete"],
    "/workflows": ["get"],
    "/workflows/{workflow_id}": ["get"],
    "/workflows/{workflow_id}/dispatches": ["post"],
    "/workflows/{workflow_id}/runs": ["get"],
}
_GIT = {
    "/branches": ["get"],
    "/branches/{branch}": ["get"],
    "/commits": ["get"],
    "/commits/{commit_sha}/pulls": ["get"],
    "/commits/{ref}": ["get"],
    "/commits/{ref}/check-runs": ["get"],
    "/commits/{ref}/status": ["get"],
    "/commits/{ref}/statuses": ["get"],
    "/compare/{basehead}": ["get"],
    "/contents/{path}": ["get", "put"],
    "/git/commits": ["post"],
    "/git/commits/{commit_sha}": ["get"],
    "/git/ref/{ref}": ["get"],
    "/git/refs": ["post"],
    "/git/refs/{ref}": ["patch", "delete"],
    "/git/trees": ["post"],
}
_PULLS = {
    "": ["get", "post"],
    "/{pull_number}": ["get", "patch"],
    "/{pull_number}/commits": ["get"],
    "/{pull_number}/files": ["get"],
    "/{pull_number}/merge": ["get", "put"],
}
_ENVIRONMENTS = {
    "/deployments": ["get"],
    "/deployments/{deployment_id}": ["get"],
    "/deployments/{deployment_id}/statuses": ["get"],
    "/deployments/{deployment_id}/statuses/{status_id}": ["get"],
    "/environments": ["get"],
    "/environments/{environment_name}": ["get", "put", "delete"],
    "/environments/{environment_name}/secrets": ["get"],
    "/environments/{environment_name}/variables": ["get"],
}
_HOOKS = {
    "": ["get", "post"],
    "/{hook_id}": ["get", "patch", "delete"],
    "/{hook_id}/deliveries": ["get"],
    "/{hook_id}/deliveries/{delivery_id}": ["get"],
    "/{hook_id}/deliveries/{delivery_id}/attempts": ["post"],
    "/{hook_id}/pings": ["post"],
}
_REPOSITORY = {
    "": ["get"],
    "/actions/organization-secrets": ["get"],
    "/actions/organization-variables": ["get"],
    "/check-runs": ["post"],
    "/check-runs/{check_run_id}": ["get", "patch"],
    "/check-runs/{check_run_id}/annotations": ["get"],
    "/dispatches": ["post"],
    "/hooks/{hook_id}/tests": ["post"],
    "/installation": ["get"],
    "/issues": ["get", "post"],
    "/issues/comments/{comment_id}": ["get", "patch", "delete"],
    "/issues/{issue_number}": ["get", "patch"],
    "/issues/{issue_number}/comments": ["get", "post"],
    "/releases": ["get"],
    "/statuses/{sha}": ["post"],
    **_GIT,
    **_ENVIRONMENTS,
    **{f"/actions{rest}": methods for rest, methods in _ACTIONS.items()},
    **{f"/actions/runners{rest}": methods for rest, methods in _RUNNERS.items()},
    **{f"/actions/runs/{{run_id}}{rest}": methods for rest, methods in _RUN.items()},
    **{f"/hooks{rest}": methods for rest, methods in _HOOKS.items()},
    **{f"/pulls{rest}": methods for rest, methods in _PULLS.items()},
}
_GROUPS = {"": ["get"], "/{runner_group_id}": ["get"], "/{runner_group_id}/repositories": ["get"]}
SERVED: dict[str, list[str]] = {
    "/app": ["get"],
    "/app-manifests/{code}/conversions": ["post"],
    "/app/hook/config": ["get", "patch"],
    "/app/hook/deliveries": ["get"],
    "/app/hook/deliveries/{delivery_id}": ["get"],
    "/app/hook/deliveries/{delivery_id}/attempts": ["post"],
    "/app/installations": ["get"],
    "/app/installations/{installation_id}": ["get"],
    "/app/installations/{installation_id}/access_tokens": ["post"],
    "/installation/repositories": ["get"],
    "/orgs/{org}": ["get"],
    "/orgs/{org}/installation": ["get"],
    "/orgs/{org}/repos": ["get"],
    "/rate_limit": ["get"],
    "/user": ["get"],
    "/user/repos": ["get"],
    "/users/{username}": ["get"],
    "/users/{username}/installation": ["get"],
    **{f"/repos/{{owner}}/{{repo}}{rest}": methods for rest, methods in _REPOSITORY.items()},
    **{f"/orgs/{{org}}/actions/runners{rest}": methods for rest, methods in _RUNNERS.items()},
    **{f"/orgs/{{org}}/actions/runner-groups{rest}": methods for rest, methods in _GROUPS.items()},
    **{f"/orgs/{{org}}/hooks{rest}": methods for rest, methods in _HOOKS.items()},
}


def cut(source: dict[str, Any], version: str) -> dict[str, Any]:
    """Keep the served operations of ``source`` and everything they refer to.

    Raises:
        KeyError: the source does not describe a served operation.
    """
    paths = {path: _path_item(source["paths"][path], methods) for path, methods in sorted(SERVED.items())}
    kept: dict[str, dict[str, Any]] = {}
    waiting = sorted(_references(paths))
    while waiting:
        _, _, kind, name = waiting.pop().split("/")
        if name in kept.setdefault(kind, {}):
            continue
        kept[kind][name] = bare(source["components"][kind][name], naming=False)
        waiting.extend(sorted(_references(kept[kind][name])))
    return {
        "openapi": source["openapi"],
        "info": {
            "title": source["info"]["title"],
            "version": source["info"]["version"],
            "license": {"name": "MIT"},
            "x-origin": f"npm package @octokit/openapi {version}, cut by scripts/cut_openapi.py",
        },
        "servers": [{"url": "/"}, {"url": "/api/v3"}],
        "paths": paths,
        "components": kept,
    }


def _path_item(item: dict[str, Any], methods: list[str]) -> dict[str, Any]:
    shared = {key: bare(value, naming=False) for key, value in item.items() if key == "parameters"}
    return shared | {method: bare(item[method], naming=False) for method in methods}


def bare(node: object, *, naming: bool) -> Any:  # noqa: ANN401 - JSON in, JSON out
    """Leave out prose and extensions; ``naming`` says that this mapping's keys are names, not keywords."""
    if isinstance(node, list):
        return [bare(item, naming=False) for item in node]
    if not isinstance(node, dict):
        return node
    if naming:
        return {key: bare(value, naming=False) for key, value in node.items()}
    kept = {
        key: value if key in {"enum", "default"} else bare(value, naming=key in NAMING_MAPS)
        for key, value in node.items()
        if key not in PROSE and not key.startswith("x-")
    }
    # OpenAPI demands a description of every response, and says nothing about what is in it.
    return kept | {"description": ""} if "description" in node and _is_response(node) else kept


def _is_response(node: dict[str, Any]) -> bool:
    return not node.keys() - {"description", "content", "headers", "links"}


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)


def _package(source: Path) -> tuple[dict[str, Any], str, str]:
    root = source if source.is_dir() else source.resolve().parents[1]
    version = json.loads((root / "package.json").read_text(encoding="utf-8"))["version"]
    description = json.loads((root / DESCRIPTION).read_text(encoding="utf-8"))
    return description, version, (root / "LICENSE").read_text(encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write the cut file; the exit status is 2 when the command line is not understood."""
    if not 1 <= len(arguments) <= 2:  # noqa: PLR2004 - SOURCE and TARGET
        print(__doc__, file=sys.stderr)
        return 2
    source, version, licence = _package(Path(arguments[0]))
    target = Path(arguments[1]) if len(arguments) > 1 else TARGET
    text = json.dumps(cut(source, version), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    target.write_text(text + "\n", encoding="utf-8")
    target.with_suffix(".LICENSE").write_text(licence, encoding="utf-8")
    print(f"{target}: {len(SERVED)} paths, {len(text.encode()) / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
