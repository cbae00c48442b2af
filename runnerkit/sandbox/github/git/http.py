"""Clone, fetch and push over HTTP, by git's own ``http-backend``."""

import base64
import binascii
import re
import subprocess

from werkzeug.wrappers import Request, Response

from runnerkit.sandbox.github import access
from runnerkit.sandbox.github.events import BOT
from runnerkit.sandbox.github.exchange import permission
from runnerkit.sandbox.github.git import noticing, requests
from runnerkit.sandbox.github.git.store import LONGEST, environment
from runnerkit.sandbox.github.records import Repository
from runnerkit.sandbox.github.refusals import Reason, Refused, missing
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.tokens import Token, Tokens

SERVICES = "info/refs|git-upload-pack|git-receive-pack"
PLACE = re.compile(rf"/(?P<name>[^/]+/[^/]+?)(?:\.git/(?P<rest>.*)|/(?P<bare>{SERVICES}))")
READ, WRITE = permission("contents", "read"), permission("contents", "write")
CREDENTIALS = {"WWW-Authenticate": 'Basic realm="GitHub"'}


class GitOverHttp:
    """Serves the repositories at ``/{owner}/{repo}.git``."""

    def __init__(self, state: State, tokens: Tokens) -> None:
        self._state, self._tokens = state, tokens

    def serves(self, path: str) -> bool:
        """Tell whether the path is one of a repository's contents."""
        return PLACE.fullmatch(path) is not None

    def respond(self, request: Request) -> Response:
        """Answer a git client."""
        found = PLACE.fullmatch(request.path)
        if found is None:
            return _refusal(missing(), anonymous=False)
        rest = found["rest"] if found["bare"] is None else found["bare"]
        try:
            return self._serve(request, found["name"], rest)
        except Refused as error:
            return _refusal(error, anonymous="Authorization" not in request.headers)

    def _serve(self, request: Request, name: str, rest: str) -> Response:
        pushing = "git-receive-pack" in (rest, request.args.get("service"))
        with self._state.open():
            token = self._tokens.find(_secret(request), self._state.now())
            access.check(self._state, token, WRITE if pushing else READ, name, None)
            repository = self._state.repository(name)
            requests.ready(self._state, repository)
        response = self._backend(request, repository, rest, token)
        if rest == "git-receive-pack":
            with self._state.open():
                noticing.notice(self._state, repository.full_name, token.login if token else BOT)
        return response

    def _backend(self, request: Request, repository: Repository, rest: str, token: Token | None) -> Response:
        data = request.get_data()
        settings = {
            "GIT_PROJECT_ROOT": str(self._state.git.folder(repository.full_name)),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": f"/{rest}",
            "QUERY_STRING": request.query_string.decode(),
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(data)),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        # For http-backend, a named user is one who may push.
        named = {"REMOTE_USER": token.login} if token is not None and token.login else {}
        done = subprocess.run(
            ["git", "http-backend"],  # noqa: S607 - whichever git the user has
            input=data,
            capture_output=True,
            timeout=LONGEST,
            env=environment(settings | named),
            check=False,
        )
        return _from_cgi(done.stdout, done.stderr)


def _secret(request: Request) -> str:
    header = request.headers.get("Authorization", "")
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return header
    try:
        user, _, password = base64.b64decode(value).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refused(Reason.UNAUTHENTICATED, "Bad credentials") from error
    # GitHub takes the token as the password, and as the user's name where there is no password.
    return password if password and password != "x-oauth-basic" else user  # noqa: S105 - GitHub's filler, no secret


def _from_cgi(output: bytes, errors: bytes) -> Response:
    if not output:
        return Response(b"git http-backend gave no answer: " + errors, status=500, content_type="text/plain")
    head, _, body = output.partition(b"\r\n\r\n")
    pairs = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line]
    headers = dict(pairs)
    return Response(body, status=headers.pop("Status", "200 OK"), headers=headers)


def _refusal(error: Refused, *, anonymous: bool) -> Response:
    # Whoever has not said who they are is asked first, be the repository there or not.
    if anonymous or error.reason is Reason.UNAUTHENTICATED:
        text = "Authentication failed: a token is needed as the password.\n"
        return Response(text, status=401, headers=CREDENTIALS, content_type="text/plain; charset=utf-8")
    text = "Repository not found.\n" if error.reason is Reason.MISSING else f"{error.message}\n"
    return Response(text, status=error.reason.value, content_type="text/plain; charset=utf-8")
