"""One PUT of a large body, in chunks, over a connection of its own, from a thread.

Blocks go to the socket as they are: an asynchronous client would cost as much time a block as hashing it.
The body is chunked because it begins before it is known how it ends.
"""

import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

_TIMEOUT = 30.0
_CONNECT_TIMEOUT = 3.0
_SEND_BUFFER = 1 << 20
# Below this size copying pieces together costs less than sending each by itself.
_JOINED = 1 << 16


class UploadFailedError(Exception):
    """There was no connection, or it broke before an answer came."""


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("custodian", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection(url: str) -> tuple[HTTPConnection, str]:
    """A connection, not yet open, to `unix:/path` or `http(s)://host:port/base`, and the base path."""
    if url.startswith("unix:"):
        return _UnixConnection(url.removeprefix("unix:"), _CONNECT_TIMEOUT), ""
    where = urlsplit(url)
    kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
    return kind(where.hostname or "", where.port, timeout=_CONNECT_TIMEOUT), where.path.rstrip("/")


class Upload:
    """A package on its way to `path` below `url`."""

    def __init__(self, url: str, path: str) -> None:
        self._connection, base = _connection(url)
        self._path = base + path

    def run(self, blocks: Iterator[bytes]) -> tuple[int, bytes]:
        """Send the blocks; gives status and body of the answer.

        Raises UploadFailedError, and what `blocks` raises.
        """
        try:
            self._open()
            for block in filter(None, blocks):
                if not self._send(b"%x\r\n" % len(block), block, b"\r\n"):
                    break
            else:
                self._send(b"0\r\n\r\n")
            return self._answer()
        finally:
            self._connection.close()

    def _open(self) -> None:
        connection = self._connection
        try:
            connection.connect()
            connection.sock.settimeout(_TIMEOUT)
            connection.putrequest("PUT", self._path)
            connection.putheader("transfer-encoding", "chunked")
            connection.putheader("content-type", "application/wacz+zip")
            connection.endheaders()
        except (OSError, HTTPException) as error:
            raise UploadFailedError from error

    def _send(self, *pieces: bytes) -> bool:
        """False when the other side takes no more: it may have answered why."""
        try:
            if len(pieces) == 1 or len(pieces[1]) < _JOINED:
                self._connection.send(b"".join(pieces))
            else:
                for piece in pieces:
                    self._connection.send(piece)
        except (BrokenPipeError, ConnectionResetError):
            return False
        except OSError as error:
            raise UploadFailedError from error
        return True

    def _answer(self) -> tuple[int, bytes]:
        try:
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, HTTPException) as error:
            raise UploadFailedError from error
