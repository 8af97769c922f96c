"""A linear read-out of features that are not trained: logistic regression, classes weighted equal."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn


class LinearReadOut(nn.Module):
    """Two logits of standardised features (n, features): 0, and w x + b, so that softmax is the regression's."""

    def __init__(self, features: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        self.linear = nn.Linear(features, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 2)."""
        return self.linear((x - self.mean) / self.spread)

    def fit(self, x: torch.Tensor, y: np.ndarray, inverse_penalty: float) -> int:
        """Fit by scikit-learn (L2 penalty) on features (n, features) and labels (n,); return its iterations."""
        mean, spread, weight, bias, iterations = regress(x, y, inverse_penalty)
        with torch.no_grad():
            self.mean.copy_(torch.from_numpy(mean))
            self.spread.copy_(torch.from_numpy(spread))
            self.linear.weight.zero_()
            self.linear.bias.zero_()
            self.linear.weight[1] = torch.from_numpy(weight)
            self.linear.bias[1] = bias
        return iterations


def regress(x: torch.Tensor, y: np.ndarray, inverse_penalty: float):
    """Return mean, spread, weights, intercept and iterations of the regression on standardised features.

    Parameters
    ----------
    x : features (n, features)
    y : labels (n,), 0 and 1
    inverse_penalty : C of scikit-learn; small values shrink the weights more
    """
    values = x.cpu().numpy().astype(np.float64)
    mean, spread = values.mean(0), values.std(0)
    spread = np.maximum(spread, 1e-6 * max(1.0, float(spread.max())))  # a constant feature stays 0
    regression = LogisticRegression(C=inverse_penalty, class_weight="balanced", max_iter=2000)
    regression.fit((values - mean) / spread, y)
    return mean, spread, regression.coef_[0], float(regression.intercept_[0]), int(regression.n_iter_[0])
