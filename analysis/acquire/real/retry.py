"""Which failed requests to retry, and when."""

import email.utils
import random
import time
from dataclasses import dataclass

import requests
import urllib3

from analysis.core.errors import DataError

PASSING = {408, 416, 425, 429}
"""Statuses below 500 that may succeed on a retry (416: our part is longer than the file; start again)."""


@dataclass(frozen=True)
class Policy:
    """How long a download waits and how often it retries."""

    tries: int = 7
    """Consecutive tries without a (correct) byte before the download fails."""
    first_wait: float = 0.5
    """Seconds before the second try; doubled for each further try, with jitter."""
    longest_wait: float = 30.0
    patience: float = 30.0
    """Seconds to wait for an answer; also the time over which `slowest` is measured."""
    slowest: float = 4096.0
    """Bytes per second below which a connection is dropped and reopened."""
    longest_retry_after: float = 600.0
    """Longest wait in seconds that a server may ask for."""

    def wait(self, failures: int) -> float:
        """Return the seconds to wait after that many consecutive failures, with jitter to desynchronise clients."""
        return random.uniform(0.5, 1) * min(self.longest_wait, self.first_wait * 2 ** (failures - 1))


class Transient(Exception):
    """A failure that may not recur on the next try."""

    def __init__(self, reason: str, after: float = 0.0, restart: bool = False):
        super().__init__(reason)
        self.after = after
        """Seconds the server asks us to wait."""
        self.restart = restart
        """Whether the bytes fetched so far must be discarded."""


def judge(error: Exception, what: str, policy: Policy) -> Transient:
    """Return a transient failure; raise `DataError` for a permanent one, or if the server asks for too long a wait."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        if status not in PASSING and status < 500:
            raise DataError(f"{what}: the server returned {status} {error.response.reason} for {_address(error)}")
        after = retry_after(error.response)
        if after > policy.longest_retry_after:
            raise DataError(f"{what}: the server returned {status} and asks to wait {after:.0f} s; run again then")
        return Transient(f"status {status}", after, restart=status == 416)
    lost = (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
        urllib3.exceptions.HTTPError,
        OSError,
    )
    if isinstance(error, requests.RequestException) and not isinstance(error, lost[:4]):
        raise DataError(f"{what}: {_short(error)}") from error
    if isinstance(error, lost):
        return Transient(_short(error))
    raise error


def retry_after(response: requests.Response) -> float:
    """Return the seconds that the header Retry-After asks for (a number or a date), 0 without it."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _address(error: requests.HTTPError) -> str:
    # The query of a signed URL is long and secret.
    return error.response.url.partition("?")[0]


def _short(error: Exception) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    broken = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, urllib3.exceptions.HTTPError)
    if isinstance(error, broken) and not isinstance(error, requests.exceptions.SSLError):
        return "connection failed or lost"
    return " ".join(str(error).split())[:200] or type(error).__name__
