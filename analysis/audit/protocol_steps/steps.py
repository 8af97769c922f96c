"""The steps between the report's protocol and the corrected one: protocols that differ in one field from the last."""

from dataclasses import dataclass, fields, replace

from analysis.params.protocol import CORRECTED, REPORT, Protocol

FIELDS = tuple(
    field.name for field in fields(Protocol) if getattr(REPORT, field.name) != getattr(CORRECTED, field.name)
)
"""Choices that differ, in the order of the data: gaze and spikes, labels, tables, selection, scores."""
ORDERS = ("in order", "corrected alone", "flawed alone")


@dataclass(frozen=True)
class Step:
    """One protocol between the two.

    Attributes
    ----------
    order : str
        One of `ORDERS` (column ``walk`` of ``ladder.csv``). ``in order``: this field and all before it are corrected;
        ``corrected alone``: the report's protocol with this field corrected; ``flawed alone``: the corrected protocol
        with this field as in the report.
    number : int
        Position in its order; 0 is the protocol from which the order starts.
    field : str
        The field that changed; empty for number 0.
    protocol : Protocol
    """

    order: str
    number: int
    field: str
    protocol: Protocol


def protocol_steps() -> list[Step]:
    """Return the steps of all `ORDERS`, one order after the other."""
    steps = [Step("in order", 0, "", REPORT)]
    protocol = REPORT
    for number, name in enumerate(FIELDS, 1):
        protocol = replace(protocol, **{name: getattr(CORRECTED, name)})
        steps.append(Step("in order", number, name, protocol))
    for order, start, end in (("corrected alone", REPORT, CORRECTED), ("flawed alone", CORRECTED, REPORT)):
        steps.append(Step(order, 0, "", start))
        for number, name in enumerate(FIELDS, 1):
            steps.append(Step(order, number, name, replace(start, **{name: getattr(end, name)})))
    return steps
