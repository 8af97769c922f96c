"""The parameter groups of ``params.yaml``; `analysis.params.models` has the group ``models``."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from analysis.core.areas import Area
from analysis.params.base import MOST, WIDEST, Count, Counts, Group, Name, NotNegative, Positive, Share
from analysis.params.hmo import Filters, HMOStage, check_filters
from analysis.params.models import Models
from analysis.params.recorded import Recorded
from analysis.params.selection import Selection

FREE_MS = 500
"""Selected fixations start and end at least this long after the start and before the end of a recording."""


class Acquire(Selection):
    """Source of the data and, for published data, the selection."""

    source: Literal["simulated", "real"]


class Noise(Group):
    """Response variability in addition to Poisson noise: coefficients of variation of gains, SD of a log drift."""

    private: NotNegative
    """Of each unit's own gain, drawn anew for each presentation."""
    shared: NotNegative
    """Of the gain shared by all units of a recording, drawn anew for each presentation."""
    drift: NotNegative
    """Of the slow gain shared by all units of a recording."""


class Simulate(Group):
    """Response model and size of the embedded experiment."""

    world: Literal["label", "graded", "gabor", "pixels", "none"]
    """See `analysis.simulate.responses.worlds`."""
    selectivity: Positive
    """Scale of the rate differences between images."""
    noise: Noise
    showings: Literal["equal", "geometric"]
    """Presentations per image: equal for all images, or geometrically distributed with the same mean."""

    faces: Annotated[int, Field(ge=12, le=MOST)]
    objects: Annotated[int, Field(ge=12, le=MOST)]
    pareidolia: Annotated[int, Field(ge=4, le=MOST)]
    unlabelled: Annotated[int, Field(ge=4, le=MOST)]
    recordings: Annotated[int, Field(ge=6, le=MOST)]
    units_per_recording: Annotated[int, Field(ge=4, le=160)]
    """At most as many as a bank of electrodes has unit names."""
    images_per_recording: Annotated[int, Field(ge=8, le=MOST)]
    presentations_per_image: Annotated[int, Field(ge=2, le=MOST)]


class Stimuli(Group):
    """Image size and splits."""

    images: Literal["shown", "all"]
    size: Annotated[int, Field(ge=16, le=WIDEST)]
    validation: Share
    test: Share
    unreadable_allowed: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def _leaves_images_for_training(self):
        if self.validation + self.test >= 1:
            raise ValueError(f"validation + test = {self.validation + self.test:g}: leave a share for training")
        return self


class Recordings(Group):
    """Response window, repeatability test, and how many recordings may fail."""

    window_ms: Count
    permutations: Count
    failures_allowed: Annotated[int, Field(ge=0, le=MOST)]


class Predictivity(Group):
    """How units are predicted, and from which images."""

    images: Literal["all", "untrained"]
    fixed_components: Count
    """PLS components under the report's protocol."""
    folds: Annotated[int, Field(ge=3, le=MOST)]
    repeats: Count
    splits: Count
    """Number of random splits under a protocol with a single split."""


class Compare(Predictivity):
    """Predictivity, split halves and confidence intervals."""

    yamins_components: Count
    """PLS components in Yamins et al. (2014); fewer if there are too few images or features."""
    readout_draws: Count
    split_halves: Count
    """Number of random split halves of the presentations, for the RDM ceilings."""
    bootstrap: Count
    permutations: Annotated[int, Field(ge=19, le=MOST)]


class AuditNetwork(Group):
    """The small networks of the audit: random filters under a trained layer, the best of several."""

    size: Annotated[int, Field(ge=16, le=WIDEST)]
    candidates: Annotated[int, Field(ge=2, le=MOST)]
    filters: Count
    kernels: Counts
    grid: Count
    top: Annotated[int, Field(ge=3, le=MOST)]
    steps: Count
    learning_rate: Positive
    weight_decay: NotNegative
    """Multiple of the weights that is added to their gradient, as in ``torch.optim.Adam``."""


class Audit(Predictivity):
    """The contribution of each protocol choice, and the controls."""

    area: Literal["latest"] | Area
    recordings: Annotated[int, Field(ge=2, le=MOST)]
    """Maximum number of recordings of the area."""
    seeds: Count
    orders: Count
    splits_of_others: Count
    split_halves: Count
    shuffles: Annotated[int, Field(ge=100, le=MOST)]
    """With fewer shuffles the test of blocks cannot reach its level, .01."""
    selection_splits: Annotated[int, Field(ge=2, le=MOST)]
    studies: Count
    table_rows: Annotated[int, Field(ge=30, le=MOST)]
    table_draws: Count
    network: AuditNetwork


class Explain(Group):
    """Attribution maps and their localisation of faces."""

    models: list[Name]
    """Models to explain, among ``models.run``; each is also explained with its initial weights."""
    images: Annotated[int, Field(ge=2, le=MOST)]
    """Maximum number of test images with a face region."""
    blur: Share
    """SD of the Gaussian that blurs the replaced parts of an image, as a fraction of the image's side."""
    window: Share
    """Side of the occluding square, as a fraction of the image's side."""
    stride: Share
    superpixels: Annotated[int, Field(ge=4, le=MOST)]
    """Maximum number of LIME superpixels."""
    bootstrap: Annotated[int, Field(ge=20, le=MOST)]

    @model_validator(mode="after")
    def _consistent(self):
        if self.stride > self.window:
            raise ValueError(
                f"stride = {self.stride} is more than window = {self.window}: parts would never be occluded"
            )
        return self


class Seeds(Group):
    """Seeds from which models with random weights are retrained."""

    further: Annotated[int, Field(ge=0, le=MOST)]
    """Number of seeds besides the model's own."""


class Timing(Group):
    """Predictivity in consecutive time bins after fixation onset."""

    models: list[Name]
    """Models to score, among ``models.run`` and under the corrected protocol."""
    edges_ms: Annotated[list[Annotated[int, Field(ge=-FREE_MS, le=FREE_MS)]], Field(min_length=2)]
    """Edges of the bins, relative to the onset."""

    @model_validator(mode="after")
    def _increasing(self):
        if any(stop <= start for start, stop in pairwise(self.edges_ms)):
            raise ValueError(f"edges_ms = {self.edges_ms}: give increasing numbers")
        return self


class AblationHMO(Group):
    """Sizes of the HMO variants; small, because each is trained several times."""

    size: Annotated[int, Field(ge=8, le=WIDEST)]
    grid: Count
    top: Count
    first: HMOStage
    second: HMOStage
    n_filt: Filters


class AblationReport(Group):
    """Sizes of the report's HMO that is trained for comparison."""

    size: Annotated[int, Field(ge=16, le=WIDEST)]
    candidates: Count
    kept: Count
    epochs: Counts
    modules: Count
    final_epochs: Count
    top: Count


class Ablation(Group):
    """The variants of HMO, and the report's HMO, over several seeds."""

    seeds: Annotated[int, Field(ge=2, le=MOST)]
    hmo: AblationHMO
    report: AblationReport


class Candidates(Group):
    """Performance versus predictivity across search candidates, and the ablation."""

    model: Name
    """The model of kind ``hmo`` that provides all other values."""
    report: Name
    """The model of kind ``report_hmo`` to compare with."""
    random: Annotated[int, Field(ge=3, le=MOST)]
    """Number of random candidates, across which performance is correlated with predictivity."""
    searched: Annotated[int, Field(ge=2, le=MOST)]
    """Number of candidates in each of the two optimised searches."""
    size: Annotated[int, Field(ge=8, le=WIDEST)]
    grid: Count
    n_filt: Filters
    batch: Count
    areas: Annotated[list[Area], Field(min_length=1)]
    """Areas whose predictivity the third kind of search maximises."""
    folds: Annotated[int, Field(ge=3, le=MOST)]
    """Folds of the training images, for choosing ridge penalties and scoring the third kind of search."""
    bootstrap: Count
    """Number of joint draws of images, units and candidates."""
    ablation: Ablation

    @model_validator(mode="after")
    def _can_be_built(self):
        check_filters(self.n_filt, self.size)
        return self


class Params(Group):
    """All of ``params.yaml``."""

    seed: Annotated[int, Field(ge=0, lt=2**63)]
    acquire: Acquire
    simulate: Simulate
    stimuli: Stimuli
    recordings: Recordings
    models: Models
    compare: Compare
    seeds: Seeds
    audit: Audit
    candidates: Candidates
    explain: Explain
    timing: Timing
    recorded: Recorded

    @model_validator(mode="after")
    def _recorded_models_run_under_the_corrected_protocol(self):
        for name in self.recorded.models if self.recorded.run else []:
            if self.models.entry(name).protocol != "corrected":
                raise ValueError(f"recorded.models names {name!r}: the report's protocol needs fixations")
        return self
