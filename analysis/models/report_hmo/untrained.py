"""The untrained twin of the report's HMO: the same CNNs with their initial weights, and a fitted read-out."""

import torch

from analysis.models.read_out import fit_logistic, set_logits
from analysis.models.registry import Fitted, Job, Kind
from analysis.models.report_hmo import first_layer
from analysis.models.report_hmo.network import build, images_of, untrained


def fit(job: Job) -> Fitted:
    """Build the twin and fit its logits on the top layer.

    Layer N1 consists of the candidates chosen by the search for the trained network; if the store does not hold that
    choice, the search is run here. The twins thus differ only in training.
    """
    splits, standardise = images_of(job)
    chosen = first_layer.choice(job, splits, standardise)
    hmo, architecture = untrained(job, chosen, standardise)
    hmo.to(job.device, memory_format=torch.channels_last).eval()
    train = splits[0]
    with torch.no_grad():
        top = torch.cat([hmo.maps(part)["top"] for part in train.x.split(128)])
    fitted, iterations = fit_logistic(top, train.y.cpu().numpy(), job.entry.C)
    set_logits(hmo.head, fitted)
    return Fitted(hmo, architecture, {"kept_candidates": chosen, "iterations": iterations})


KIND = Kind(fit, build)
