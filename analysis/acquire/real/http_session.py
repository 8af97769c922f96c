"""A ``requests`` session with a time limit that keeps its last response."""

import io
import logging
import os
import socket
import sys
import time

import requests
import urllib3

from analysis.acquire.real.retry import Policy
from analysis.core.errors import DataError

CHUNK = 1 << 16


class Session(requests.Session):
    """Session of one download thread.

    The policy says how long to wait for a connection and for the next bytes, and how slow a listing may be. Callers
    that stream a response monitor its speed themselves.
    """

    def __init__(self, policy: Policy):
        super().__init__()
        self.policy = policy
        self.answer: requests.Response | None = None
        # Byte ranges refer to the stored bytes, so the server must not compress the body.
        self.headers["Accept-Encoding"] = "identity"

    def send(self, request, **kwargs) -> requests.Response:
        """Send with this session's time limit, and keep the response (the last one, after redirects)."""
        whole = not kwargs.get("stream")
        self.answer = None
        answer = super().send(request, **kwargs | {"timeout": self.policy.patience, "stream": True})
        if whole:
            self._read(answer)
        self.answer = answer  # the client requests the pages of a listing from several threads; each returns its own
        return answer

    def _read(self, answer: requests.Response) -> None:
        """Read a body into memory, unless it arrives too slowly: the limit of requests restarts with every byte."""
        body, begin = bytearray(), time.monotonic()
        try:
            while chunk := answer.raw.read1(CHUNK, decode_content=True):
                body += chunk
                passed = time.monotonic() - begin
                if passed > self.policy.patience and len(body) < passed * self.policy.slowest:
                    raise requests.ReadTimeout(f"slower than {self.policy.slowest:.0f} bytes/s")
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(error) from error
        finally:
            answer.close()
        answer.raw = io.BytesIO(body)


def reach(url: str, what: str, tries: int = 3, patience: float = 10.0) -> None:
    """Try to connect to the host of `url`, so that a missing network is reported within seconds.

    The clients would retry silently for a minute or more. Behind a proxy the check is skipped: only the proxy can tell.

    Parameters
    ----------
    url : str
    what : str
        Name of the service, for messages.
    tries : int
    patience : float
        Seconds to wait for one connection.

    Raises
    ------
    DataError
        If there is no connection.
    """
    if requests.utils.get_environ_proxies(url):
        return
    address = urllib3.util.parse_url(url)
    port = address.port or (443 if address.scheme == "https" else 80)
    print(f"{what}: connecting to {address.host}", file=sys.stderr, flush=True)
    for left in reversed(range(tries)):
        try:
            socket.create_connection((address.host, port), patience).close()
            return
        except OSError as error:
            reason = error.strerror or str(error)
            if not left:
                raise DataError(
                    f"{what}: no connection to {url} ({reason}); check the network, then run again"
                ) from error
            print(f"{what}: {reason}; {left} more tries", file=sys.stderr, flush=True)
            time.sleep(tries - left)


def dandi_client(api: str, session: Session):
    """Return a dandi client for an API address that uses our session and does not check for its own updates."""
    os.environ["DANDI_NO_ET"] = "1"
    from dandi.consts import DandiInstance
    from dandi.dandiapi import DandiAPIClient

    # The client logs each failed try with its traceback; we report failures in one line. Importing it sets the level.
    logging.getLogger("dandi").setLevel(logging.CRITICAL + 1)
    # Given only an address, the client would first ask the host for its other services.
    client = DandiAPIClient(dandi_instance=DandiInstance(name="chosen", gui=None, api=api))
    client.session.close()
    client.session = session
    return client
