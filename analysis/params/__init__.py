"""The parameters of ``params.yaml``, checked before anything runs. Does not import torch."""

from analysis.params.base import Group
from analysis.params.loading import load, load_agreeing, of_data_set, only
from analysis.params.models import Model, Models
from analysis.params.recorded import FreeViewing
from analysis.params.schema import Acquire, Audit, Candidates, Compare, Explain, Params, Recordings, Simulate, Stimuli
from analysis.params.selection import Selection

__all__ = [
    "Acquire",
    "Audit",
    "Candidates",
    "Compare",
    "Explain",
    "FreeViewing",
    "Group",
    "Model",
    "Models",
    "Params",
    "Recordings",
    "Selection",
    "Simulate",
    "Stimuli",
    "load",
    "load_agreeing",
    "of_data_set",
    "only",
]
