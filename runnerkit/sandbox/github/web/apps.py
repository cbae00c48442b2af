"""The buttons of Apps: make one from a manifest, install it."""

from typing import TYPE_CHECKING

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from runnerkit.sandbox.github.engine import manifests
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.web.posts import SEE_OTHER, check_origin

if TYPE_CHECKING:
    from collections.abc import Callable

FOUND = 302


class AppPages:
    """Does what the forms about Apps ask for."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.handlers: dict[str, Callable[[Request], Response]] = {
            "create-app": self._create,
            "install-app": self._install,
        }

    def _create(self, request: Request) -> Response:
        """Make the App and lead back to whoever wrote the manifest.

        Raises:
            Refused: it came from another site, or the manifest or the name is not accepted.
        """
        check_origin(request)
        form = request.form
        manifest = manifests.understood(form.get("manifest", ""))
        with self._state.open():
            _, code = manifests.create(self._state, form.get("owner", ""), form.get("name", ""), manifest)
        return redirect(manifests.way_back(manifest, code, form.get("state", "")), FOUND)

    def _install(self, request: Request) -> Response:
        """Install the App on its owner's account.

        Raises:
            Refused: it came from another site, or the App cannot be installed there.
        """
        check_origin(request)
        form = request.form
        chosen = form.getlist("repository") if form.get("selection") == "selected" else None
        with self._state.open():
            manifests.install(self._state, form.get("slug", ""), form.get("account", ""), chosen)
        return redirect(f"/apps/{form['slug']}", SEE_OTHER)
