"""The table of a recorded data set, ``<name>.json``: read and checked, with its scores."""

import math
from dataclasses import dataclass
from pathlib import Path

from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.core.reading import read_json
from paper import style

FOLDER = Path("paper/recorded")
"""Holds the committed tables."""
COMPUTED = Path("results/recorded.json")
"""The table as the pipeline computes it, in the folder of a data set."""
KEYS = ("dataset", "images", "models", "environment", "hashes")
"""What every table has; ``units``, ``presentations`` and ``median_reliability`` only where responses were published."""
CORRECTED, RHO, PARTIAL = "r_corrected", "rho", "partial"
"""Measures: noise-corrected r of single units; correlation of RDMs; the same with labels held constant."""
CHOSEN = "best"
"""Stands for the layer chosen within the training images."""
REGIONS = (*AREAS, "IT", "monkey IT")
"""Areas of which neurons were recorded, in the order of the ventral stream. Human IT, say, is a yardstick."""
SHORT = {"v4": "Cowley et al. 2023", "majaj_hong": "Majaj et al. 2015", "kriegeskorte92": "Kriegeskorte et al. 2008"}
SHORT["v4_objects"] = SHORT["v4"]
"""Where a data set was published."""
FREE = "Xiao et al. 2024"
"""Where recordings of free viewing were published, whatever an entry of them is called."""


@dataclass(frozen=True)
class Score:
    """How well one layer of a model does in one area; what is undefined is None."""

    model: str
    layer: str | None
    value: float | None
    low: float | None
    high: float | None


class Recorded:
    """The table of one data set.

    Parameters
    ----------
    table : dict
        Content of ``<name>.json``.
    """

    def __init__(self, table: dict):
        self.table = table
        self.name: str = table["dataset"]
        otherwise = FREE if self.views_freely else self.name.replace("_", " ")
        self.title: str = SHORT.get(self.name, otherwise)
        if table.get("task") == "object":
            self.title += f", task of {len(table['classes'])} objects"

    @property
    def views_freely(self) -> bool:
        """Whether these are recordings of free viewing, which have fixations."""
        return "recordings" in self.table

    @property
    def models(self) -> list[str]:
        """Compared models, in the order in which the paper names them; others come last."""
        return style.in_order(self.table["models"])

    @property
    def systems(self) -> list[str]:
        """Everything with which models were compared: the areas, then the yardsticks."""
        found = {
            name for model in self.table["models"].values() for layer in model["layers"].values() for name in layer
        }
        return [*self.regions, *sorted(found - set(REGIONS))]

    @property
    def regions(self) -> list[str]:
        """Areas of which neurons were recorded, in the order of the ventral stream."""
        found = {
            name for model in self.table["models"].values() for layer in model["layers"].values() for name in layer
        }
        return [area for area in REGIONS if area in found]

    def accuracy(self, model: str) -> float | None:
        """Return the share of test images that a model classifies correctly; None if it was not trained on this set."""
        return self.table["models"].get(model, {}).get("accuracy")

    def measure(self, region: str) -> str:
        """Return `CORRECTED`, or `RHO` in an area where no single unit was scored."""
        layers = [(model, layer) for model, entry in self.table["models"].items() for layer in entry["layers"]]
        scored = any(self._score(model, layer, region, CORRECTED).value is not None for model, layer in layers)
        return CORRECTED if scored else RHO

    def score(self, model: str, region: str, measure: str | None = None) -> Score:
        """Return the score that stands for a model: of its chosen layer, or of its top layer if RDMs are compared."""
        measure, entry = measure or self.measure(region), self.table["models"][model]
        layer = CHOSEN if measure == CORRECTED else entry.get("top_layer") or entry["layer"]
        return self._score(model, layer, region, measure)

    def n_units(self, region: str) -> int | None:
        """Return the number of units of an area; None where responses were not published."""
        return (self.table.get("regions") or {}).get(region)

    def layer_scores(self, model: str, region: str) -> dict[str, Score]:
        """Return the score of each layer of a model in an area."""
        measure, layers = self.measure(region), self.table["models"][model]["layers"]
        return {layer: self._score(model, layer, region, measure) for layer in layers if region in layers[layer]}

    def contrasts(self, region: str) -> list[dict]:
        """Return the paired contrasts in an area; those of the chosen layer where layers are told apart."""
        rows = [row for row in self.table.get("contrasts", []) if row.get("region", row.get("system")) == region]
        return [row for row in rows if row.get("layer") == CHOSEN] or rows

    def _score(self, model: str, layer: str | None, region: str, measure: str) -> Score:
        found = self.table["models"][model]["layers"].get(layer, {}).get(region, {})
        return Score(model, layer, *(_defined(found.get(measure + end)) for end in ("", "_low", "_high")))


def read(path: Path) -> Recorded:
    """Read the table of a data set.

    Raises
    ------
    DataError
        If the file is missing, is not JSON, or lacks a key of `KEYS`.
    """
    table = read_json(Path(path), "run the stages of its data set (dvc repro)")
    if absent := [key for key in KEYS if key not in table]:
        raise DataError(f"{path} has no key {', '.join(absent)}: run the stages of its data set again (dvc repro)")
    return Recorded(table)


def committed(folder: Path = FOLDER) -> list[Recorded]:
    """Return the committed tables, in the order of their areas, then names; none where there are none."""
    found = [read(path) for path in sorted(Path(folder).glob("*.json"))]
    return sorted(found, key=lambda one: [REGIONS.index(area) for area in one.regions])


def compared(folder: Path = FOLDER) -> list[Recorded]:
    """Return the committed tables of the data sets with whose neurons models were compared."""
    return [one for one in committed(folder) if one.regions]


def _defined(value) -> float | None:
    return value if isinstance(value, int | float) and math.isfinite(value) else None
