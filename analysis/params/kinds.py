"""The model kinds other than HMO, and their parameters in ``params.yaml``.

Each kind gives the module that implements it as a string, so that parameters are checked without importing torch.
"""

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from analysis.params.base import (
    LARGEST,
    MOST,
    WIDEST,
    Count,
    Counts,
    Group,
    NotNegative,
    Positive,
    check_halvings,
    check_odd,
)
from analysis.params.protocol import PROTOCOLS, Protocol


class Model(Group):
    """One entry under ``models``: a kind, a protocol, and the parameters of that kind."""

    implementation: ClassVar[str]
    """Module of `analysis.models` that holds ``KIND``, an `analysis.models.registry.Kind`."""

    kind: str
    protocol: Literal["corrected", "report"]

    @property
    def rules(self) -> Protocol:
        """The choices of the protocol."""
        return PROTOCOLS[self.protocol]


class Activations(Group):
    """How the feature maps of a layer become the features that are compared with neurons."""

    pool: Annotated[int, Field(ge=0, le=MOST)]
    """Maps are averaged to pool x pool cells; 0 keeps every position."""
    features: Count
    """Layers with more features than this are reduced to this number by a sparse random projection."""
    patches: Annotated[int, Field(ge=0, le=MOST)]
    """Maximum number of fixations per recording for which the top layer is also computed at the gaze; 0: none."""


class TrainedModel(Model):
    """Parameters of every trained network."""

    size: Annotated[int, Field(ge=8, le=WIDEST)]
    """Side of the square input in pixels."""
    inputs: Literal["unit", "standardised"]
    """RGB from 0 to 1 (the report), or every channel standardised over the training images."""
    batch: Count
    learning_rate: Positive
    activations: Activations


class Augment(Group):
    """Random augmentation of the training images."""

    flip: bool
    """Flip left-right with probability 1/2."""
    shift: Annotated[float, Field(ge=0, lt=0.5)]
    """Largest shift as a fraction of the image's side; grey fills the gap."""
    contrast: Annotated[float, Field(ge=0, lt=1)]
    """Contrast about grey is multiplied by a factor from 1 - contrast to 1 + contrast."""


Precision = Literal["float32", "bfloat16"]
"""Precision of the matrix products in training (autocast). Weights, updates and evaluation stay in float32."""


class EndToEnd(TrainedModel):
    """A network trained end to end."""

    epochs: Count
    patience: Annotated[int, Field(ge=0, le=MOST)]
    """Stop after this many epochs without a lower selection loss and keep the best; 0 runs all and keeps the last."""
    weight_decay: NotNegative
    precision: Precision
    augment: Augment


class SimpleCNN(EndToEnd):
    """A plain CNN: convolution - batch norm - ReLU - 2 x 2 max-pool per entry of `filters`, then one dense layer."""

    implementation = "end_to_end.simple_cnn"

    kind: Literal["simple_cnn"]
    filters: Counts
    kernel: Count
    dense: Count

    @model_validator(mode="after")
    def _fits_the_image(self):
        check_odd(kernel=self.kernel)
        check_halvings(self.size, len(self.filters))
        return self


class ResNet(EndToEnd):
    """A small residual network: a convolution of stride 2, then `blocks` residual blocks per entry of `filters`."""

    implementation = "end_to_end.resnet"

    kind: Literal["resnet"]
    filters: Counts
    blocks: Count


class ViT(EndToEnd):
    """A small vision transformer behind a convolutional stem."""

    implementation = "end_to_end.vit"

    kind: Literal["vit"]
    stem: Counts
    """Filters of the stem's convolutions, each of which halves the image; the remaining cells become tokens."""
    width: Count
    depth: Count
    heads: Count
    hidden: Count
    """Units in the hidden layer of each block."""

    @model_validator(mode="after")
    def _divides(self):
        if self.size % 2 ** len(self.stem):
            raise ValueError(f"size = {self.size} cannot be halved {len(self.stem)} times")
        if self.width % self.heads:
            raise ValueError(f"heads = {self.heads} does not divide width = {self.width}")
        return self


class FixedFeatures(Model):
    """Parameters of a fixed image transform with a fitted linear read-out."""

    size: Annotated[int, Field(ge=2, le=WIDEST)]
    C: Positive
    """C of scikit-learn's logistic regression: the smaller, the stronger the regularisation."""


class Pixels(FixedFeatures):
    """Logistic regression on the downsampled image; its only layer is the pixels."""

    implementation = "baselines.pixels"

    kind: Literal["pixels"]
    colour: Literal["grey", "rgb"]


class Gabor(FixedFeatures):
    """Divisively normalised Gabor energy."""

    implementation = "baselines.gabor"

    kind: Literal["gabor"]
    wavelengths: Annotated[list[Annotated[float, Field(ge=2, le=WIDEST)]], Field(min_length=1)]
    """In pixels of the image at `size`."""
    orientations: Annotated[int, Field(ge=2, le=MOST)]
    stride: Count
    """Pixels between neighbouring positions of the maps."""
    pool: Annotated[int, Field(ge=1, le=MOST)]
    """Side, in positions, of the normalisation pool; odd."""
    sigma: Positive
    """Semi-saturation constant: the energy at which responses begin to saturate."""
    grid: Count
    """The read-out uses means over grid x grid cells."""
    activations: Activations

    @model_validator(mode="after")
    def _fits_the_image(self):
        check_odd(pool=self.pool)
        if math.ceil(1.4 * max(self.wavelengths)) >= self.size:  # the reach of a filter: 2.5 SD of its envelope
            raise ValueError(f"wavelengths = {self.wavelengths}: longer than an image of size = {self.size} can hold")
        return self


class EfficientNet(FixedFeatures):
    """EfficientNet-Lite0 with its ImageNet weights, unchanged, and a linear read-out of its last layer."""

    implementation = "pretrained.efficientnet"

    kind: Literal["efficientnet"]
    size: Annotated[int, Field(ge=32, le=WIDEST)]
    """Side of the square input in pixels; the weights were trained at 224."""
    activations: Activations


class Category(Model):
    """An ideal observer of the labels: one-hot label and category."""

    implementation = "baselines.category"

    kind: Literal["category"]


class Weights(Group):
    """A weights file and its hash, so that a change of the file does not go unnoticed."""

    file: str
    """Path, or ``package:path`` inside an installed package. .safetensors, or a state_dict saved by torch."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="the 64 hexadecimal digits of its SHA-256")]


class Own(FixedFeatures):
    """Your own network, unchanged, with a linear read-out of its last layer."""

    implementation = "own"

    kind: Literal["own"]
    module: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$", description="package.module:callable")]
    """``package.module:callable``, which returns a torch module."""
    arguments: dict[str, bool | int | float | str | list | None]
    """Keyword arguments of the callable."""
    weights: Weights | None
    layers: Annotated[list[str], Field(min_length=1)]
    """Names of its modules (``named_modules``), or shell-style patterns such as ``blocks.*``."""
    mean: Annotated[list[Annotated[float, Field(ge=-LARGEST, le=LARGEST)]], Field(min_length=3, max_length=3)]
    """Subtracted from each channel of RGB between 0 and 1."""
    std: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    """Divides each channel after the subtraction."""
    activations: Activations
