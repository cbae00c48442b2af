"""The two ends of a call's connection: that all of it arrived, and how it is cut off."""

import socket

from werkzeug.exceptions import ClientDisconnected
from werkzeug.wrappers import Request


def arrived(request: Request) -> None:
    """Wait for the whole body; who dies before it is here has asked for nothing.

    Raises:
        ConnectionAbortedError: the caller is gone.
    """
    try:
        request.get_data()
    except ClientDisconnected as error:
        raise ConnectionAbortedError("the caller is gone") from error


def hang_up(request: Request) -> None:
    """Drop the connection without a word.

    Raises:
        ConnectionAbortedError: always, so that nothing is answered.
    """
    request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("the answer is lost, as scripted")
