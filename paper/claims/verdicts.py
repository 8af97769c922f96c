"""The verdicts that a claim can have, and the rules by which it gets one."""

import math
from collections.abc import Iterable

from paper.recorded.claims import ABSENT, LARGER, LEVEL, SMALLER, UNDETECTED, interval_verdict

__all__ = [
    "ABSENT",
    "LARGER",
    "LEVEL",
    "SMALLER",
    "UNDETECTED",
    "count",
    "estimate",
    "interval_verdict",
    "p_verdict",
]


def p_verdict(difference: float | None, p: float | None, level: float = LEVEL) -> str:
    """Return the verdict of a test on a difference: its direction if `p` is below `level`."""
    if not (_is_number(difference) and _is_number(p)):
        return ABSENT
    if p >= level or difference == 0:
        return UNDETECTED
    return LARGER if difference > 0 else SMALLER


def estimate(value: float | None, low: float | None = None, high: float | None = None) -> dict:
    """Return a value with its 95 % interval and the interval's verdict, as JSON values."""
    ends = [float(x) if _is_number(x) else None for x in (value, low, high)]
    return dict(zip(("value", "low", "high"), ends, strict=True)) | {"verdict": interval_verdict(*ends)}


def count(verdicts: Iterable[str]) -> dict[str, int]:
    """Return how many verdicts are ``larger``, ``smaller`` and ``undetected``, and of how many that are not absent."""
    found = [verdict for verdict in verdicts if verdict != ABSENT]
    return {
        "larger": found.count(LARGER),
        "smaller": found.count(SMALLER),
        "undetected": found.count(UNDETECTED),
        "of": len(found),
    }


def _is_number(x) -> bool:
    return x is not None and math.isfinite(x)
