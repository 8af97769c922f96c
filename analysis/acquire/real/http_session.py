"""A ``requests`` session that always has a time limit and shows its last answer."""

import io
import logging
import os
import time

import requests
import urllib3

from analysis.acquire.real.retry import Policy

CHUNK = 1 << 16


class Session(requests.Session):
    """Session of one download thread.

    Parameters
    ----------
    policy : Policy
        How long to wait for a connection and for the next bytes, and how slowly a listing may come. Who asks for a
        stream watches its speed himself.
    """

    def __init__(self, policy: Policy):
        super().__init__()
        self.policy = policy
        self.answer: requests.Response | None = None
        # Byte ranges count stored bytes: a server must not compress on the way.
        self.headers["Accept-Encoding"] = "identity"

    def send(self, request, **kwargs) -> requests.Response:
        """Send with this session's time limit, and keep the answer (the last one, after redirects)."""
        whole = not kwargs.get("stream")
        self.answer = None
        answer = super().send(request, **kwargs | {"timeout": self.policy.patience, "stream": True})
        if whole:
            self._read(answer)
        self.answer = answer  # the client asks for the pages of a listing from several threads: each returns its own
        return answer

    def _read(self, answer: requests.Response) -> None:
        """Read a body into memory, unless it trickles: the time limit alone begins anew with every byte."""
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


def dandi_client(api: str, session: Session):
    """Return the dandi client for an API address, on our session, with its look-up of newer versions switched off."""
    os.environ["DANDI_NO_ET"] = "1"
    from dandi.consts import DandiInstance
    from dandi.dandiapi import DandiAPIClient

    # The client logs each failed try, with its traceback; we say in one line what failed. Loading it sets the level.
    logging.getLogger("dandi").setLevel(logging.CRITICAL + 1)
    # Given an address only, the client would first ask the host for its other services.
    client = DandiAPIClient(dandi_instance=DandiInstance(name="chosen", gui=None, api=api))
    client.session.close()
    client.session = session
    return client
