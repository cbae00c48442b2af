"""The buttons: posts below ``/_web/``, by the same rules as calls of the API."""

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from runnerkit.sandbox.github.records import Run
from runnerkit.sandbox.github.refusals import forbidden, invalid
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.web.actions import Actions

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "/_web/"
SEE_OTHER = 303
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
LONGEST_COMMENT = 10_000
FOREIGN = (
    "The buttons work from the sandbox's own pages only. This request came from {origin}; open the page at a loopback"
    " address, such as http://127.0.0.1, and press the button there."
)

Form = ImmutableMultiDict[str, str]


class Posts:
    """Does what buttons ask for and leads back to the run."""

    def __init__(self, state: State, actions: Actions) -> None:
        self._state, self._actions = state, actions
        self.handlers: dict[str, Callable[[Run, Form], None]] = {
            "approve": self._approve,
            "reject": self._reject,
            "cancel": self._cancel,
            "rerun-failed": self._rerun_failed,
            "rerun": self._rerun,
        }

    def __call__(self, request: Request, name: str) -> Response:
        """Press a button.

        Raises:
            Refused: it came from another site, or the rules do not allow it.
        """
        check_origin(request)
        request.max_form_memory_size = 4 * LONGEST_COMMENT
        form = request.form
        run_id = form.get("run", type=int)
        if run_id is None:
            raise invalid("The form names no run; reload the page and press the button again.")
        with self._state.open():
            repository = self._state.repository(form.get("repository", ""))
            run = self._state.run(repository.full_name, run_id)
            self.handlers[name](run, form)
        return redirect(f"/{quote(repository.full_name)}/actions/runs/{run_id}", SEE_OTHER)

    def _approve(self, run: Run, form: Form) -> None:
        self._decide(run, form, "approved")

    def _reject(self, run: Run, form: Form) -> None:
        self._decide(run, form, "rejected")

    def _decide(self, run: Run, form: Form, verdict: str) -> None:
        environments = form.getlist("environment")
        if not environments:
            raise invalid("The form names no environment; reload the page and press the button again.")
        comment = form.get("comment", "")[:LONGEST_COMMENT]
        self._actions.review(self._state, run, environments, self._login(run, form), verdict, comment)

    def _cancel(self, run: Run, _: Form) -> None:
        self._actions.cancel(self._state, run)

    def _rerun_failed(self, run: Run, form: Form) -> None:
        self._actions.rerun_failed(self._state, run, self._login(run, form))

    def _rerun(self, run: Run, form: Form) -> None:
        self._actions.rerun(self._state, run, None, self._login(run, form))

    def _login(self, run: Run, form: Form) -> str:
        """Find who presses: nobody signs in here, so the form says it."""
        return self._state.account(form.get("login") or run.actor).login


def check_origin(request: Request) -> None:
    """Refuse what another site's page sends.

    The host must be a loopback one too: a name that an attacker lets point here would otherwise be its own origin.

    Raises:
        Refused: 403.
    """
    origin = request.headers.get("Origin", "")
    own = request.host_url.rstrip("/")
    if origin != own or urlsplit(own).hostname not in LOOPBACK:
        raise forbidden(FOREIGN.format(origin=origin or "an unknown place"))
