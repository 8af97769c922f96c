"""Parameters of HMO (Yamins et al. 2014) and of the report's simplified HMO in ``params.yaml``."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from analysis.params.base import MOST, WIDEST, Count, Counts, Group, Positive, check_halvings
from analysis.params.kinds import Activations, Augment, Model, Precision, TrainedModel


class HMOStage(Group):
    """Number of modules in a stage of HMO, and number of candidates from which each is chosen."""

    modules: Count
    candidates: Count


class HMOTraining(Group):
    """How the filters of a chosen module are trained, if ``filters`` is ``trained``."""

    epochs: Count
    batch: Count
    learning_rate: Positive


Bounds = Annotated[list[Count], Field(min_length=2, max_length=2)]
"""Minimum and maximum."""

Filters = Annotated[list[Bounds], Field(min_length=1, max_length=3)]
"""Bounds on the number of filters in the first, second and third layer of a module."""


def check_filters(n_filt: list[list[int]], size: int) -> None:
    """Refuse impossible numbers of filters, and more layers than an image of `size` pixels allows."""
    for bounds in n_filt:
        if bounds[0] > bounds[1] or bounds[0] % 4 or bounds[1] % 4:
            raise ValueError(f"n_filt = {bounds}: give multiples of 4, the minimum, then the maximum")
    check_halvings(size, len(n_filt))


class HMO(Model):
    """HMO of Yamins et al. (2014): two search stages, each round giving more weight to misclassified images."""

    implementation = "yamins_hmo.procedure"

    kind: Literal["hmo"]
    size: Annotated[int, Field(ge=8, le=WIDEST)]
    grid: Count
    """Cells per side to which the maps of first-stage modules are averaged before they are stacked."""
    top: Count
    """Number of top-level outputs (filters of all second-stage modules); fewer if the module search stops early."""
    first: HMOStage
    second: HMOStage
    n_filt: Filters
    """Filters in the first, second and third layer of a first-stage module; the search also covers depth."""
    k_filt: Bounds
    """Filter size in the first stage; the published range is 3 to 9."""
    second_k_filt: Bounds
    weights: Literal["boosting", "none", "margin"]
    shrinkage: Annotated[float, Field(gt=0, le=1)]
    """Shrinkage of the change in image weights per boosting round (nu of Friedman 2001)."""
    patience: Count | None
    """A stage ends after this many rounds without a lower out-of-fold error of its modules (null: run all rounds)."""
    tasks: Literal["face", "categories"]
    """Tasks that score candidates: the label, or also each image category against all others."""
    search: Literal["tpe", "random"]
    filters: Literal["random", "trained"]
    training: HMOTraining
    batch: Count
    """Number of candidates proposed at once."""
    folds: Annotated[int, Field(ge=2, le=MOST)]
    """Folds of the screening images: every candidate is scored on images held out from its read-out."""
    C: Positive
    """C of scikit-learn's SVC, for the read-out that scores candidates: the smaller, the stronger the
    regularisation."""
    Cs: Annotated[list[Positive], Field(min_length=1)]
    """Values of C for the final read-out, from which one is chosen on the selection images."""
    activations: Activations

    @model_validator(mode="after")
    def _can_be_built(self):
        if self.top % self.second.modules:
            raise ValueError(f"top = {self.top} is not a multiple of second.modules = {self.second.modules}")
        for name, bounds in (("k_filt", self.k_filt), ("second_k_filt", self.second_k_filt)):
            if bounds[0] > bounds[1]:
                raise ValueError(f"{name} = {bounds}: give the minimum, then the maximum")
        check_filters(self.n_filt, self.size)
        return self


class ReportHMO(TrainedModel):
    """The report's HMO: a random search over small CNNs, the best of them frozen under two layers of random CNNs."""

    implementation = "report_hmo.network"

    kind: Literal["report_hmo"]
    candidates: Count
    kept: Count
    epochs: Counts
    """Epochs after which candidates are compared and promoted (successive halving). A single number trains all
    candidates to the end, as in the report."""
    reduction: Annotated[int, Field(ge=2, le=MOST)]
    """At every comparison but the last, one candidate in `reduction` is promoted, but never fewer than `kept`."""
    promising: Literal["accuracy", "lowest_loss"]
    """Criterion for promotion: accuracy on the selection split, or the lowest loss there in any epoch so far
    (benchmarks/halving.py compares them). The final choice is by accuracy."""
    layers: Counts
    filters: Counts
    kernels: Counts
    modules: Count
    """Number of random CNNs in each of the second and third layers."""
    grid: Count
    top: Count
    final_epochs: Count
    augment: Augment
    precision: Precision
    copies: Count
    """Number of augmented copies of each training image for training the upper layers; 1: the image itself."""

    @model_validator(mode="after")
    def _can_be_searched(self):
        if self.kept > self.candidates:
            raise ValueError(f"kept = {self.kept} is more than candidates = {self.candidates}")
        if self.epochs != sorted(set(self.epochs)):
            raise ValueError(f"epochs = {self.epochs}: give increasing numbers")
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ValueError(f"kernels = {self.kernels}: give odd sizes")
        check_halvings(self.size, max(self.layers))
        return self


class ReportHMOUntrained(ReportHMO):
    """The untrained twin of a `ReportHMO` with the same values.

    Its CNNs, including the first layer, keep their initial weights; a linear read-out of the top layer is fitted.
    """

    implementation = "report_hmo.untrained"

    kind: Literal["report_hmo_untrained"]
    C: Positive
    """C of scikit-learn's logistic regression: the smaller, the stronger the regularisation."""
