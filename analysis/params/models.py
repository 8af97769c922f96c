"""The kinds of model and the values each takes in ``params.yaml``.

Only pydantic is imported here, so that every command can check the parameters without loading torch. How a kind is
trained and rebuilt is said in `analysis.models.registry`, under the same names.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from analysis.params import Count, Group, Model, Stage

Positive = Annotated[float, Field(gt=0)]
Choices = Annotated[list[Count], Field(min_length=1)]


class Activations(Group):
    """How a layer's maps become the features that are compared with neurons."""

    pool: Annotated[int, Field(ge=0)]
    """Maps are averaged to pool x pool cells; 0 keeps every position."""
    features: Count
    """A layer with more features than this is projected (sparse, random) to this number."""
    patches: Annotated[int, Field(ge=0)]
    """The top layer is also computed of what was looked at in so many fixations of each recording, at most."""


class Entry(Model):
    """What every trained network has."""

    size: Annotated[int, Field(ge=8)]
    """Side of the square input in pixels."""
    inputs: Literal["unit", "standardised"]
    """RGB from 0 to 1 (the report), or less the mean and by the spread of each channel over the training images."""
    batch: Count
    learning_rate: Positive
    activations: Activations


class Augment(Group):
    """Random changes of the training images."""

    flip: bool
    """Left-right with probability one half."""
    shift: Annotated[float, Field(ge=0, lt=0.5)]
    """Largest shift as a share of the image's side; grey moves in."""
    contrast: Annotated[float, Field(ge=0, lt=1)]
    """Contrast about grey is multiplied by a number from 1 - contrast to 1 + contrast."""


Precision = Literal["float32", "bfloat16"]
"""Of a training's matrix products (autocast); weights, their updates and every judgement stay float32."""


class HMOReport(Entry):
    """The report's HMO: a random search of small CNNs, the best stacked and frozen under two random stages."""

    kind: Literal["hmo_report"]
    candidates: Count
    kept: Count
    epochs: Choices
    """Epochs up to each rung. One number trains all candidates to the end, as the report did."""
    reduction: Annotated[int, Field(ge=2)]
    """After every rung but the last, one in so many candidates (never fewer than `kept`) goes on."""
    promising: Literal["accuracy", "lowest_loss"]
    """Which go on: those of the highest accuracy on the selection split, or of the lowest loss there in any epoch so
    far (benchmarks/halving.py compares them). The kept are those of the highest accuracy at the end."""
    layers: Choices
    filters: Choices
    kernels: Choices
    modules: Count
    """Random CNNs in each of the second and third stages."""
    grid: Count
    top: Count
    final_epochs: Count
    augment: Augment
    precision: Precision
    copies: Count
    """Changed copies of each training image on which the upper stages are trained; 1: the images as they are."""

    @model_validator(mode="after")
    def _enough_candidates(self):
        if self.kept > self.candidates:
            raise ValueError(f"kept = {self.kept} is more than candidates = {self.candidates}")
        if self.epochs != sorted(set(self.epochs)):
            raise ValueError(f"epochs = {self.epochs}: give rising numbers")
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ValueError(f"kernels = {self.kernels}: give odd sizes")
        if self.size < 2 ** max(self.layers):
            raise ValueError(f"size = {self.size} does not survive {max(self.layers)} halvings")
        return self


class HMOUntrained(HMOReport):
    """The untrained twin of an `HMOReport` with the same values.

    The first stage that its search chose, with the weights it started from, under upper stages as they started, and a
    linear read-out of the top layer.
    """

    kind: Literal["hmo_untrained"]
    inverse_penalty: Positive
    """C of scikit-learn's logistic regression: small values shrink the weights more."""


class Trained(Entry):
    """A network trained from end to end."""

    epochs: Count
    patience: Annotated[int, Field(ge=0)]
    """Stop after this many epochs without a better selection loss and keep the best; 0 runs all and keeps the last."""
    weight_decay: Annotated[float, Field(ge=0)]
    precision: Precision
    augment: Augment


class SimpleCNN(Trained):
    """A plain CNN: conv - batch norm - ReLU - 2 x 2 max-pool per entry of `filters`, then one dense layer."""

    kind: Literal["simple_cnn"]
    filters: Choices
    kernel: Count
    dense: Count

    @model_validator(mode="after")
    def _fits(self):
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel = {self.kernel}: give an odd size")
        if self.size < 2 ** len(self.filters):
            raise ValueError(f"size = {self.size} does not survive {len(self.filters)} halvings")
        return self


class ResNet(Trained):
    """A small residual network: a convolution of stride 2, then `blocks` residual blocks per entry of `filters`."""

    kind: Literal["resnet"]
    filters: Choices
    blocks: Count


class ViT(Trained):
    """A small vision transformer behind a few convolutions."""

    kind: Literal["vit"]
    stem: Choices
    """Filters of the convolutions, each of which halves the image, before its cells become tokens."""
    width: Count
    depth: Count
    heads: Count
    hidden: Count
    """Units of the hidden layer of each block."""

    @model_validator(mode="after")
    def _divides(self):
        if self.size % 2 ** len(self.stem):
            raise ValueError(f"size = {self.size} cannot be halved {len(self.stem)} times")
        if self.width % self.heads:
            raise ValueError(f"heads = {self.heads} does not divide width = {self.width}")
        return self


class ReadOut(Model):
    """What a fixed transform of the image takes: its size, and the penalty of the read-out fitted on it."""

    size: Annotated[int, Field(ge=2)]
    inverse_penalty: Positive
    """C of scikit-learn's logistic regression: small values shrink the weights more."""


class Pixels(ReadOut):
    """Logistic regression on a small copy of the image; its only layer is the pixels."""

    kind: Literal["pixels"]
    colour: Literal["grey", "rgb"]


class Gabor(ReadOut):
    """Energy of Gabor filters, divisively normalised, read out linearly."""

    kind: Literal["gabor"]
    wavelengths: Annotated[list[Annotated[float, Field(ge=2)]], Field(min_length=1)]
    """In pixels of the image at `size`."""
    orientations: Annotated[int, Field(ge=2)]
    stride: Count
    """Pixels between two places of the maps."""
    pool: Annotated[int, Field(ge=1)]
    """Side, in places, of the square whose mean energy divides; odd."""
    sigma: Positive
    """Added to the divisor: the energy at which responses begin to saturate."""
    grid: Count
    """The read-out takes means over grid x grid cells."""
    activations: Activations

    @model_validator(mode="after")
    def _fits(self):
        if self.pool % 2 == 0:
            raise ValueError(f"pool = {self.pool}: give an odd size")
        if max(self.wavelengths) * 1.5 > self.size:
            raise ValueError(f"wavelengths = {self.wavelengths}: longer than an image of size = {self.size} can hold")
        return self


class Category(Model):
    """An ideal observer of the labels: one-hot label and category."""

    kind: Literal["category"]


class Weights(Group):
    """A file of weights, and its hash, so that other weights under the same name never pass unseen."""

    file: str
    """Path, or ``package:path`` inside an installed package. .safetensors, or a state_dict that torch saved."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Own(ReadOut):
    """A network of the reader's own, as it is, with a linear read-out of its last layer."""

    kind: Literal["own"]
    module: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")]
    """``package.module:callable``, which returns a torch module."""
    arguments: dict[str, bool | int | float | str | list | None]
    """Keyword arguments of the callable."""
    weights: Weights | None
    layers: Annotated[list[str], Field(min_length=1)]
    """Names of its modules (``named_modules``) or shell-style patterns such as ``blocks.*``."""
    mean: Annotated[list[float], Field(min_length=3, max_length=3)]
    """Of each channel, taken from RGB between 0 and 1."""
    spread: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    activations: Activations


class HMOTraining(Group):
    """How the filters of a chosen module are trained, where they are."""

    epochs: Count
    batch: Count
    learning_rate: Positive


Bounds = Annotated[list[Count], Field(min_length=2, max_length=2)]
"""Least and most."""


class HMO(Model):
    """HMO of Yamins et al. (2014): two stages of searches, each round of which attends to what is still wrong."""

    kind: Literal["hmo"]
    size: Annotated[int, Field(ge=8)]
    grid: Count
    """Cells per side to which the maps of first-stage modules are averaged and at which they are stacked."""
    top: Count
    """Top-level outputs: filters of all second-stage modules."""
    first: Stage
    second: Stage
    n_filt: Annotated[list[Bounds], Field(min_length=1, max_length=3)]
    """Filters of the first, second and third layer of a first-stage module; its depth is searched too."""
    k_filt: Bounds
    """Size of the filters of the first stage; the published range is 3 to 9."""
    second_k_filt: Bounds
    weights: Literal["boosting", "none", "margin"]
    search: Literal["tpe", "random"]
    filters: Literal["random", "trained"]
    training: HMOTraining
    batch: Count
    """Candidates that are asked for at once."""
    folds: Annotated[int, Field(ge=2)]
    """Of the screening images, to judge a candidate on images on which it was not fitted."""
    penalty: Positive
    """C of the support vector machine that judges candidates; large values fit the screening images more closely."""
    penalties: Annotated[list[Positive], Field(min_length=1)]
    """Of these, C of the final read-out is chosen on the selection images."""
    activations: Activations

    @model_validator(mode="after")
    def _can_be_built(self):
        if self.top % self.second.modules:
            raise ValueError(f"top = {self.top} is no multiple of second.modules = {self.second.modules}")
        for name, bounds in (("k_filt", self.k_filt), ("second_k_filt", self.second_k_filt)):
            if bounds[0] > bounds[1]:
                raise ValueError(f"{name} = {bounds}: give the least, then the most")
        for bounds in self.n_filt:
            if bounds[0] > bounds[1] or bounds[0] % 4 or bounds[1] % 4:
                raise ValueError(f"n_filt = {bounds}: give multiples of 4, the least, then the most")
        if self.size < 2 ** len(self.n_filt):
            raise ValueError(f"size = {self.size} does not survive {len(self.n_filt)} halvings")
        return self


KINDS: dict[str, type[Model]] = {
    "hmo": HMO,
    "hmo_report": HMOReport,
    "hmo_untrained": HMOUntrained,
    "simple_cnn": SimpleCNN,
    "resnet": ResNet,
    "vit": ViT,
    "gabor": Gabor,
    "pixels": Pixels,
    "category": Category,
    "own": Own,
}
