"""The theatre of the example repositories: each is pushed as it is, and played with machines really launched."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.theatre import Theatre, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.sandbox.ec2 import SandboxEc2

EXAMPLES = Path(__file__).parents[2] / "examples"
ROLE = "arn:aws:iam::210000000001:role/example"


class Play(Protocol):
    """Opens the theatre of one example."""

    def __call__(self, name: str, *, bucket: str = "acme-models") -> Theatre:
        """Give it the repository ``acme/NAME``, a bucket, and the variables that all workflows ask for."""


@pytest.fixture
def play(_ec2_server: SandboxEc2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    """What opens the theatre; it closes with the test."""
    with ExitStack() as stack:

        def opens(name: str, *, bucket: str = "acme-models") -> Theatre:
            theatre = stack.enter_context(opened(_ec2_server, tmp_path, f"acme/{name}", monkeypatch))
            theatre.world.aws("s3").create_bucket(Bucket=bucket)
            theatre.world.github.set_variable(theatre.repo, "AWS_ROLE_ARN", ROLE)
            theatre.world.github.seed(theatre.repo, EXAMPLES / name)
            return theatre

        yield opens
