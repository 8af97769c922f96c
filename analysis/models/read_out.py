"""Linear read-outs: a decision on standardised features, however it was fitted, and the layer that computes it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn


@dataclass(frozen=True)
class ReadOut:
    """A linear decision ``weight . (x - mean) / std + bias``; positive means face.

    Attributes
    ----------
    mean, std, weight : float64 array (n_features,)
    bias : float
    """

    mean: np.ndarray
    std: np.ndarray
    weight: np.ndarray
    bias: float


class LinearReadOut(nn.Module):
    """Logits (n, 2) of features (n, n_features): 0 for non-face, the decision of a `ReadOut` for face."""

    def __init__(self, features: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))
        self.linear = nn.Linear(features, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 2)."""
        return self.linear((x - self.mean) / self.std)

    @torch.no_grad()
    def set(self, fitted: ReadOut) -> None:
        """Take the values of a fitted read-out."""
        self.mean.copy_(torch.from_numpy(fitted.mean))
        self.std.copy_(torch.from_numpy(fitted.std))
        _set_decision(self.linear, fitted.weight, fitted.bias)


def set_logits(linear: nn.Linear, fitted: ReadOut) -> None:
    """Let a plain two-class layer compute a read-out, its standardisation folded into the weights."""
    bias = fitted.bias - float((fitted.weight * fitted.mean / fitted.std).sum())
    _set_decision(linear, fitted.weight / fitted.std, bias)


@torch.no_grad()
def _set_decision(linear: nn.Linear, weight: np.ndarray, bias: float) -> None:
    linear.weight.zero_()
    linear.bias.zero_()
    linear.weight[1] = torch.from_numpy(weight)
    linear.bias[1] = bias


def fit_logistic(x: torch.Tensor, y: np.ndarray, C: float) -> tuple[ReadOut, int]:
    """Fit a logistic regression (L2, classes balanced) on standardised features.

    Parameters
    ----------
    x : tensor (n, n_features)
    y : array (n,)
        0 or 1.
    C : float
        As in scikit-learn: the smaller, the stronger the regularisation.

    Returns
    -------
    read_out : ReadOut
    iterations : int
        Of the solver.
    """
    from sklearn.linear_model import LogisticRegression  # slow to load, and only a fit needs it

    features = x.cpu().numpy().astype(np.float64)
    mean, std = features.mean(0), features.std(0)
    std = np.maximum(std, 1e-6 * max(1.0, float(std.max())))  # a constant feature stays 0
    regression = LogisticRegression(C=C, class_weight="balanced", max_iter=2000)
    regression.fit((features - mean) / std, y)
    read_out = ReadOut(mean, std, regression.coef_[0], float(regression.intercept_[0]))
    return read_out, int(regression.n_iter_[0])
