"""Random augmentation of training images."""

import torch
from torch.nn import functional

from analysis.params.kinds import Augment

GREY = 128 / 255
"""Grey with which images are padded."""
DRAWS = 4
"""Random numbers per image."""


def augmenter(values: Augment):
    """Return a function of images (n, 3, h, w), 0 to 1, and random numbers (4, n); None without augmentation."""
    if not values.flip and not values.shift and not values.contrast:
        return None

    def change(x: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        n, _, height, width = x.shape
        if values.contrast:
            factor = 1 + values.contrast * (2 * draws[0] - 1)
            x = ((x - GREY) * factor[:, None, None, None] + GREY).clamp(0, 1)
        theta = torch.zeros((n, 2, 3), device=x.device)
        theta[:, 0, 0] = torch.where(draws[1] < 0.5, -1.0, 1.0) if values.flip else 1.0
        theta[:, 1, 1] = 1.0
        theta[:, :, 2] = 2 * values.shift * (2 * draws[2:].T - 1)  # the grid runs from -1 to 1
        grid = functional.affine_grid(theta, (n, 3, height, width), align_corners=False)
        return functional.grid_sample(x - GREY, grid, align_corners=False) + GREY

    return change


def draw(n: int, generator: torch.Generator) -> torch.Tensor:
    """Draw the random numbers (4, n), from 0 to 1, that augment n images.

    They are drawn on the CPU, so that training sees the same images on every device.
    """
    return torch.rand((DRAWS, n), generator=generator)
