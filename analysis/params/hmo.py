"""HMO of Yamins et al. (2014), HMO as the report simplified it, and the values that each takes in ``params.yaml``."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from analysis.params.base import MOST, WIDEST, Count, Counts, Group, Positive, check_halvings
from analysis.params.kinds import Activations, Augment, Model, Precision, TrainedModel


class HMOStage(Group):
    """Number of modules in a stage of HMO, and of candidates from which each is chosen."""

    modules: Count
    candidates: Count


class HMOTraining(Group):
    """How the filters of a chosen module are trained, if they are."""

    epochs: Count
    batch: Count
    learning_rate: Positive


Bounds = Annotated[list[Count], Field(min_length=2, max_length=2)]
"""Minimum and maximum."""

Filters = Annotated[list[Bounds], Field(min_length=1, max_length=3)]
"""Numbers of filters in the first, second and third layer of a module."""


def check_filters(n_filt: list[list[int]], size: int) -> None:
    """Refuse numbers of filters that no module can have, and more layers than an image of `size` pixels allows."""
    for bounds in n_filt:
        if bounds[0] > bounds[1] or bounds[0] % 4 or bounds[1] % 4:
            raise ValueError(f"n_filt = {bounds}: give multiples of 4, the minimum, then the maximum")
    check_halvings(size, len(n_filt))


class HMO(Model):
    """HMO of Yamins et al. (2014): two stages of searches, each round weighting the images still misclassified."""

    implementation = "yamins_hmo.procedure"

    kind: Literal["hmo"]
    size: Annotated[int, Field(ge=8, le=WIDEST)]
    grid: Count
    """Cells per side to which the maps of first-stage modules are averaged before they are stacked."""
    top: Count
    """Top-level outputs: filters of all second-stage modules; fewer if the search for modules stops early."""
    first: HMOStage
    second: HMOStage
    n_filt: Filters
    """Filters in the first, second and third layer of a first-stage module; the depth is searched too."""
    k_filt: Bounds
    """Filter size in the first stage; the published range is 3 to 9."""
    second_k_filt: Bounds
    weights: Literal["boosting", "none", "margin"]
    shrinkage: Annotated[float, Field(gt=0, le=1)]
    """Factor on how much a round of boosting changes the weights of images (nu of Friedman 2001)."""
    patience: Count | None
    """Rounds without a lower out-of-fold error of all its modules, after which a stage ends (null: it runs all)."""
    tasks: Literal["face", "categories"]
    """What candidates are judged by: the label, or also each category of images against all others."""
    search: Literal["tpe", "random"]
    filters: Literal["random", "trained"]
    training: HMOTraining
    batch: Count
    """Candidates proposed at once."""
    folds: Annotated[int, Field(ge=2, le=MOST)]
    """Folds of the screening images: every candidate is judged on images that its read-out was not fitted on."""
    C: Positive
    """As in scikit-learn's SVC, for the read-out that judges candidates: the smaller, the stronger the
    regularisation."""
    Cs: Annotated[list[Positive], Field(min_length=1)]
    """Values of C among which that of the final read-out is chosen on the selection images."""
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
    """The report's HMO: a random search of small CNNs, the best of them frozen under two layers of random CNNs."""

    implementation = "report_hmo.network"

    kind: Literal["report_hmo"]
    candidates: Count
    kept: Count
    epochs: Counts
    """Epochs at which each rung of the search ends. A single number trains all candidates to the end, as the report
    did."""
    reduction: Annotated[int, Field(ge=2, le=MOST)]
    """After every rung but the last, one candidate in `reduction` is promoted, never fewer than `kept`."""
    promising: Literal["accuracy", "lowest_loss"]
    """What decides promotion: accuracy on the selection split, or the lowest loss there in any epoch so far
    (benchmarks/halving.py compares them). The final choice is by accuracy."""
    layers: Counts
    filters: Counts
    kernels: Counts
    modules: Count
    """Random CNNs in the second layer, and in the third."""
    grid: Count
    top: Count
    final_epochs: Count
    augment: Augment
    precision: Precision
    copies: Count
    """Augmented copies of each training image on which the upper layers are trained; 1: the image itself."""

    @model_validator(mode="after")
    def _can_be_searched(self):
        if self.kept > self.candidates:
            raise ValueError(f"kept = {self.kept} is more than candidates = {self.candidates}")
        if self.epochs != sorted(set(self.epochs)):
            raise ValueError(f"epochs = {self.epochs}: give rising numbers")
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ValueError(f"kernels = {self.kernels}: give odd sizes")
        check_halvings(self.size, max(self.layers))
        return self


class ReportHMOUntrained(ReportHMO):
    """The untrained twin of a `ReportHMO` with the same values.

    Its CNNs, first layer included, have their initial weights; a linear read-out of the top layer is fitted.
    """

    implementation = "report_hmo.untrained"

    kind: Literal["report_hmo_untrained"]
    C: Positive
    """As in scikit-learn's logistic regression: the smaller, the stronger the regularisation."""
