"""Inputs shared by all protocols, and a cache of intermediate results for protocols that agree."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps

import pandas as pd
import xarray as xr

from analysis.audit.protocol_steps.simulated_truth import SimulatedTruth
from analysis.core.parallel import Once
from analysis.params import Params
from analysis.params.protocol import Protocol

LABEL_FIELDS = ("labels", "selection")
RECORDING_FIELDS = ("join", "fixations", "response", "latency", "stability", "region")
POPULATION_FIELDS = (*RECORDING_FIELDS, "unit_identity", "filling", "images")
NEURAL_RDM_FIELDS = (*POPULATION_FIELDS, "rdm")
GEOMETRY_FIELDS = (*NEURAL_RDM_FIELDS, *LABEL_FIELDS)
UNIT_FIELDS = (*POPULATION_FIELDS, *LABEL_FIELDS, "splits", "duplicates", "features", "regression", "baseline")
ALL_FIELDS = (*UNIT_FIELDS, "rdm", "aggregation")


@dataclass(frozen=True)
class Inputs:
    """Inputs shared by all protocols.

    Attributes
    ----------
    params : Params
    area : str
        Area whose units are compared.
    images : DataFrame
        ``images.csv`` of the stage stimuli.
    build_recordings : function of a Protocol
        Returns the recordings of the area under that protocol, a list of Dataset.
    truth : SimulatedTruth or None
        Noise-free responses; None for real data.
    cache : Once
        Results of the functions decorated with `once_per`.
    """

    params: Params
    area: str
    images: pd.DataFrame
    build_recordings: Callable[[Protocol], list[xr.Dataset]]
    truth: SimulatedTruth | None = None
    cache: Once = field(default_factory=Once, repr=False, compare=False)


def once_per(fields: tuple[str, ...]) -> Callable:
    """Compute ``function(inputs, protocol, *arguments)`` once for all protocols that agree on `fields`.

    The function must depend on no other field of the protocol. `arguments` must be hashable.
    """

    def decorate(function: Callable) -> Callable:
        @wraps(function)
        def cached(inputs: Inputs, protocol: Protocol, *arguments):
            values = tuple(getattr(protocol, name) for name in fields)
            key = (function.__qualname__, values, *arguments)
            return inputs.cache.get(key, lambda: function(inputs, protocol, *arguments))

        return cached

    return decorate
