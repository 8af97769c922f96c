"""Linear read-outs: a decision on standardised features, however it was fitted, and the layer that computes it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from analysis.models import data
from analysis.models.registry import Job


@dataclass(frozen=True)
class ReadOut:
    """Linear decisions ``weight @ (x - mean) / std + bias``: one for each class, of two for the second alone."""

    mean: np.ndarray  # (n_features,) float64, like std
    std: np.ndarray
    weight: np.ndarray  # (n_decisions, n_features)
    bias: np.ndarray  # (n_decisions,)


class LinearReadOut(nn.Module):
    """Logits (n, classes) of features (n, n_features): decisions of a `ReadOut`; of two classes, the first has 0."""

    def __init__(self, features: int, classes: int = 2):
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))
        self.linear = nn.Linear(features, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, classes)."""
        return self.linear((x - self.mean) / self.std)

    @torch.no_grad()
    def set(self, fitted: ReadOut) -> None:
        """Copy the values of a fitted read-out."""
        self.mean.copy_(torch.from_numpy(fitted.mean))
        self.std.copy_(torch.from_numpy(fitted.std))
        _set_decisions(self.linear, fitted.weight, fitted.bias)


def set_logits(linear: nn.Linear, fitted: ReadOut) -> None:
    """Make a plain layer of logits compute a read-out, with its standardisation folded into the weights."""
    bias = fitted.bias - (fitted.weight * fitted.mean / fitted.std).sum(1)
    _set_decisions(linear, fitted.weight / fitted.std, bias)


@torch.no_grad()
def _set_decisions(linear: nn.Linear, weight: np.ndarray, bias: np.ndarray) -> None:
    linear.weight.zero_()
    linear.bias.zero_()
    linear.weight[-len(weight) :] = torch.from_numpy(weight)
    linear.bias[-len(bias) :] = torch.from_numpy(bias)


@torch.no_grad()
def fit_read_out(job: Job, read_out: LinearReadOut, features: Callable, batch: int) -> int:
    """Fit a read-out on the training images and return the iterations of the solver.

    Parameters
    ----------
    features : function of images (n, 3, size, size), uint8
        Returns the inputs of the read-out, (n, n_features).
    batch : int
        Batch size.
    """
    rows = job.examples.rows("train")
    x = data.resized(job.examples.images[rows], job.entry.size)
    found = torch.cat([features(part.to(job.device)).cpu() for part in x.split(batch)])
    fitted, iterations = fit_logistic(found, job.examples.label[rows], job.entry.C)
    read_out.set(fitted)
    return iterations


def fit_logistic(x: torch.Tensor, y: np.ndarray, C: float) -> tuple[ReadOut, int]:
    """Fit a logistic regression (L2, classes balanced) on standardised features.

    `x` is (n, n_features), `y` (n,) the number of the class, `C` as in scikit-learn. Returns the read-out and its
    iterations.
    """
    from sklearn.linear_model import LogisticRegression  # slow to load, and only a fit needs it

    features = x.cpu().numpy().astype(np.float64)
    mean, std = features.mean(0), features.std(0)
    std = np.maximum(std, 1e-6 * max(1.0, float(std.max())))  # a constant feature stays 0
    regression = LogisticRegression(C=C, class_weight="balanced", max_iter=2000)
    regression.fit((features - mean) / std, y)
    return ReadOut(mean, std, regression.coef_, regression.intercept_), int(regression.n_iter_[0])
