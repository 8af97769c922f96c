"""A model of V1: energy of Gabor filters, divisively normalised, with a linear read-out.

Energy of quadrature pairs after Adelson & Bergen (1985), normalised by the energy of all orientations and wavelengths
around each position after Heeger (1992).
"""

import math

import torch
from torch.nn import functional

from analysis.core.exact import sqrt
from analysis.models.activations.extract import pooled
from analysis.models.baselines.pixels import grey
from analysis.models.network import Network, n_classes
from analysis.models.read_out import LinearReadOut, fit_read_out
from analysis.models.registry import Fitted, Job, Kind

BANDWIDTH = 0.56
"""Standard deviation of the envelope in wavelengths: one octave at half height (Dapello et al. 2020)."""


def bank(wavelength: float, orientations: int) -> torch.Tensor:
    """Return even and odd Gabor filters (2, orientations, side, side) of one wavelength in pixels.

    Each has mean 0 and L2 norm 1, so that uniform grey gives no response and contrast has the same weight at every
    wavelength.
    """
    reach = math.ceil(2.5 * BANDWIDTH * wavelength)
    at = torch.arange(-reach, reach + 1, dtype=torch.float64)
    y, x = torch.meshgrid(at, at, indexing="ij")
    envelope = torch.exp(-(x**2 + y**2) / (2 * (BANDWIDTH * wavelength) ** 2))
    filters = []
    for phase in (0.0, math.pi / 2):
        for number in range(orientations):
            turn = math.pi * number / orientations
            wave = torch.cos(2 * math.pi * (x * math.cos(turn) + y * math.sin(turn)) / wavelength - phase)
            filter_ = envelope * wave
            filter_ = filter_ - envelope * (filter_.sum() / envelope.sum())
            filters.append(filter_ / filter_.norm())
    side = 2 * reach + 1
    return torch.stack(filters).view(2, orientations, side, side).to(torch.float32)


class Gabor(Network):
    """Layers ``energy`` and ``normalised``, maps (n, wavelengths * orientations, size / stride, size / stride).

    energy = sqrt(even^2 + odd^2); normalised = energy / (sigma + mean energy of all channels over `pool` x `pool`).
    """

    def __init__(
        self,
        wavelengths: list[float],
        orientations: int,
        stride: int,
        pool: int,
        sigma: float,
        grid: int,
        classes: int = 2,
    ):
        super().__init__(("energy", "normalised"))
        self.stride, self.pool, self.sigma, self.grid = stride, pool, sigma, grid
        for number, wavelength in enumerate(wavelengths):
            self.register_buffer(f"bank{number}", bank(wavelength, orientations).flatten(0, 1)[:, None])
        self.n_banks, self.orientations = len(wavelengths), orientations
        self.read_out = LinearReadOut(len(wavelengths) * orientations * grid * grid, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, classes); the image is padded by reflection."""
        x = grey(x)[:, None]
        energies = []
        for number in range(self.n_banks):
            filters = getattr(self, f"bank{number}")
            reach = filters.shape[-1] // 2
            even, odd = functional.conv2d(
                functional.pad(x, (reach,) * 4, mode="reflect"), filters, stride=self.stride
            ).split(self.orientations, dim=1)
            energies.append(sqrt(even**2 + odd**2 + 1e-12))  # the gradient of the root is infinite at 0
        energy = self.layers["energy"](torch.cat(energies, dim=1))
        about = functional.avg_pool2d(
            energy.mean(1, keepdim=True), self.pool, 1, self.pool // 2, count_include_pad=False
        )
        return self.read_out(pooled(self.layers["normalised"](energy / (self.sigma + about)), self.grid))


def build(architecture: dict) -> Network:
    """Return the network with an unfitted read-out."""
    values = {name: value for name, value in architecture.items() if name != "size"}
    return Gabor(**values | {"classes": n_classes(architecture)})


def fit(job: Job) -> Fitted:
    """Fit the read-out on the training images."""
    entry = job.entry
    architecture = entry.model_dump(include={"size", "wavelengths", "orientations", "stride", "pool", "sigma", "grid"})
    architecture |= job.classes
    network = build(architecture).to(job.device)
    iterations = fit_read_out(
        job, network.read_out, lambda x: pooled(network.maps(x)["normalised"], entry.grid), batch=128
    )
    return Fitted(network, architecture, {"iterations": iterations})


KIND = Kind(fit, build)
