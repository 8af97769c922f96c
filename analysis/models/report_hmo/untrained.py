"""The untrained twin of the report's HMO: the same modules with the weights they start from, and a read-out fitted."""

import torch

from analysis.models.baselines.linear import regress
from analysis.models.registry import Fitted, Job
from analysis.models.report_hmo import first_stage
from analysis.models.report_hmo import network as hmo_report
from analysis.models.report_hmo.network import build

__all__ = ["build", "fit"]


def fit(job: Job) -> Fitted:
    """Build the twin and fit logits on its top layer.

    Which candidates make the first stage is read from the search of the trained HMO, where the store has its choice;
    else the search is made here. The two differ in nothing but training, so that any difference is due to that.
    """
    splits, standardise = hmo_report.images_of(job)
    chosen = first_stage.choice(job, splits, standardise)
    hmo, architecture = hmo_report.untrained(job, chosen, standardise)
    hmo.to(job.device, memory_format=torch.channels_last).eval()
    train = splits[0]
    with torch.no_grad():
        top = torch.cat([hmo.maps(part)["top"] for part in train.x.split(128)])
        mean, spread, weight, bias, iterations = regress(top, train.y.cpu().numpy(), job.entry.inverse_penalty)
        # The twin is the same network: its two logits take the standardisation of the read-out into their weights.
        hmo.head.weight.zero_()
        hmo.head.bias.zero_()
        hmo.head.weight[1] = torch.from_numpy(weight / spread)
        hmo.head.bias[1] = bias - float((weight * mean / spread).sum())
    return Fitted(hmo, architecture, {"kept_candidates": chosen, "iterations": iterations})
