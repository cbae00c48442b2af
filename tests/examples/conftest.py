"""The theatre of the example repositories: each is pushed as it is, and played with machines really launched."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.theatre import Theatre, opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runnerkit.sandbox.ec2 import SandboxEc2

EXAMPLES = Path(__file__).parents[2] / "examples"
ROLE = "arn:aws:iam::210000000001:role/example"


class Play(Protocol):
    """Opens the theatre of one example."""

    def __call__(
        self,
        name: str,
        *,
        bucket: str = "acme-models",
        branch: str = "main",
        variables: Mapping[str, str] | None = None,
    ) -> Theatre:
        """Give it the repository ``acme/NAME``, a bucket, and variables: what workflows of the first push ask for.

        ``branch`` is the repository's default one, to which the example is pushed.
        """


@pytest.fixture
def play(_ec2_server: SandboxEc2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    """What opens the theatre; it closes with the test."""
    with ExitStack() as stack:

        def opens(
            name: str,
            *,
            bucket: str = "acme-models",
            branch: str = "main",
            variables: Mapping[str, str] | None = None,
        ) -> Theatre:
            theatre = stack.enter_context(opened(_ec2_server, tmp_path, f"acme/{name}", monkeypatch))
            theatre.world.aws("s3").create_bucket(Bucket=bucket)
            github = theatre.world.github
            for key, value in {"AWS_ROLE_ARN": ROLE, **(variables or {})}.items():
                github.set_variable(theatre.repo, key, value)
            with github.state.open():
                github.state.repository(theatre.repo).default_branch = branch
            github.seed(theatre.repo, EXAMPLES / name, branch=branch)
            return theatre

        yield opens
