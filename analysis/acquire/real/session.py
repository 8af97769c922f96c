"""A ``requests`` session that always has a time limit and shows its last answer."""

import logging
import os

import requests


class Session(requests.Session):
    """Session of one download thread.

    Parameters
    ----------
    patience : float
        Seconds to wait for a connection, and for the next bytes.
    """

    def __init__(self, patience: float):
        super().__init__()
        self.patience = patience
        self.answer: requests.Response | None = None
        # Byte ranges count stored bytes: a server must not compress on the way.
        self.headers["Accept-Encoding"] = "identity"

    def send(self, request, **kwargs) -> requests.Response:
        """Send with this session's time limit, and keep the answer (the last one, after redirects)."""
        kwargs["timeout"] = self.patience
        self.answer = None
        self.answer = super().send(request, **kwargs)
        return self.answer


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
