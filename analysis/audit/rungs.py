"""The rungs between the report's protocol and the corrected one."""

from dataclasses import dataclass, fields, replace

from analysis.params.protocol import CORRECTED, REPORT, Protocol

FIELDS = tuple(field.name for field in fields(Protocol))
"""All choices, in the order of the data: gaze and spikes, labels, tables, selection, scores."""
WALKS = ("in order", "corrected alone", "flawed alone")


@dataclass(frozen=True)
class Rung:
    """One protocol on the way.

    Attributes
    ----------
    walk : str
        ``in order``: the fields up to `field` corrected; ``corrected alone``: the report's protocol but for `field`;
        ``flawed alone``: the corrected protocol but for `field`.
    step : int
        Place in the walk; 0 is where it starts.
    field : str
        The field that changed, empty at the start.
    protocol : Protocol
    """

    walk: str
    step: int
    field: str
    protocol: Protocol


def rungs() -> list[Rung]:
    """Return all rungs, walk by walk."""
    out = [Rung("in order", 0, "", REPORT)]
    here = REPORT
    for step, name in enumerate(FIELDS, 1):
        here = replace(here, **{name: getattr(CORRECTED, name)})
        out.append(Rung("in order", step, name, here))
    for walk, start, end in (("corrected alone", REPORT, CORRECTED), ("flawed alone", CORRECTED, REPORT)):
        out.append(Rung(walk, 0, "", start))
        for step, name in enumerate(FIELDS, 1):
            out.append(Rung(walk, step, name, replace(start, **{name: getattr(end, name)})))
    return out
