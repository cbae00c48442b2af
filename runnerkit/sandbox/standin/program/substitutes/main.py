"""Runs a substitute by its name."""

from __future__ import annotations

from . import artifacts, aws, cache, checkout, docker, python
from .toolkit import Failed, annotate

ACTIONS = {
    "checkout": checkout.main,
    "checkout-post": checkout.post,
    "setup-python": python.setup_python,
    "setup-uv": python.setup_uv,
    "upload-artifact": artifacts.upload,
    "download-artifact": artifacts.download,
    "cache": cache.restore,
    "cache-save": cache.save,
    "configure-aws-credentials": aws.main,
    "docker-login": docker.login,
    "docker-logout": docker.logout,
    "docker-setup-buildx": docker.setup,
    "docker-build-push": docker.build_and_push,
}


def main(name: str) -> int:
    """Run one and give its exit status."""
    try:
        ACTIONS[name]()
    except Failed as failed:
        annotate("error", str(failed))
        return 1
    return 0
