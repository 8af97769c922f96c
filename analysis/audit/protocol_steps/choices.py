"""The choices in which the two protocols differ, and the protocols that change one of them."""

from dataclasses import dataclass, fields, replace

from analysis.params.protocol import CORRECTED, REPORT, Protocol

FIELDS = tuple(
    field.name for field in fields(Protocol) if getattr(REPORT, field.name) != getattr(CORRECTED, field.name)
)
"""Choices that differ, in the order of the data: gaze and spikes, labels, tables, selection, scores."""


@dataclass(frozen=True)
class Step:
    """A protocol that differs from one of the two in at most one choice.

    Attributes
    ----------
    start : {"report", "corrected"}
    field : str
        The choice taken from the other protocol; empty if none.
    protocol : Protocol
    """

    start: str
    field: str
    protocol: Protocol


def corrected(names) -> Protocol:
    """Return the report's protocol with the choices `names` corrected."""
    return replace(REPORT, **{name: getattr(CORRECTED, name) for name in names})


def single_choices() -> list[Step]:
    """Return both protocols, and each of them with one choice taken from the other."""
    steps = [Step("report", "", REPORT)] + [Step("report", name, corrected([name])) for name in FIELDS]
    left = [Step("corrected", name, corrected(set(FIELDS) - {name})) for name in FIELDS]
    return [*steps, Step("corrected", "", CORRECTED), *left]
