"""Read and check the results once, so that no figure meets a missing column."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.core.errors import DataError
from analysis.core.files import hdf5
from analysis.core.paths import RESULTS

COLUMNS = {
    "accuracy": "model protocol split n accuracy ci_low ci_high balanced_accuracy",
    "units": "model protocol layer recording subject region unit n_images r_corrected r r2 ceiling",
    "layers": "model protocol layer region n_units r_corrected r_corrected_low r_corrected_high "
    "r2 r2_low r2_high ceiling",
    "decoding": "model recording region system factor measure score",
    "kernel": "model recording region system complexity precision",
    "learning": "model recording region system n_train score",
    "beyond_label": "model recording region n_images n_units measure value ci_low ci_high",
    "rsa": "model protocol layer recording region n_images n_units rho ci_low ci_high ceiling_lower ceiling_upper",
    "contrasts": "model other layer region difference low high p p_holm",
    "fixations": "model protocol layer recording region unit part n_fixations explained published",
    "tests": "model protocol layer region recordings rho p_bh p_max",
    "validation": "recording region unit ceiling explainable drifting",
}
"""Columns of each table that the paper uses."""

SUMMARY = "summary.json"
KEYS = ("source", "missing", "data", "models", "validation")
"""Keys of ``summary.json`` that the paper uses."""

EXAMPLE = "example.json"
EXAMPLE_KEYS = ("recording", "missing", "thumbnails", "screen_grey")
"""Keys of ``example.json`` that the page uses."""

UNLEARNED = ("pixels", "gabor", "category")
"""Kinds of model that learn nothing from images."""


class Results:
    """All results, and a record of the files that were read.

    Each table of `COLUMNS` is an attribute (``results.layers``). `used` collects the files that were read, so that the
    paper can name the sources of each figure.
    """

    def __init__(self, folder: Path, tables: dict[str, pd.DataFrame], summary: dict):
        self.folder = folder
        self.used: set[str] = set()
        self._tables = tables
        self._summary = summary

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name.startswith("_") or name not in self._tables:
            raise AttributeError(name)
        self.used.add(f"{name}.csv")
        return self._tables[name]

    @property
    def summary(self) -> dict:
        """The content of ``summary.json``."""
        self.used.add(SUMMARY)
        return self._summary

    def file(self, name: str) -> Path:
        """Return the path of a file in the folder of the results, such as ``audit/shapley.csv``."""
        self.used.add(name)
        return self.folder / name

    def table(self, stage: str, name: str, *text: str) -> pd.DataFrame:
        """Read a table from the folder of a stage; the columns `text` are read as text even where all cells are empty.

        Only an empty cell is missing: "none" is a value.
        """
        path = self.file(f"{stage}/{name}.csv")
        try:
            return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(text, str))
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read ({' '.join(str(error).split())}): run the stage {stage}") from error

    @property
    def source(self) -> str:
        """``simulated`` or ``real``."""
        return self._summary["source"]

    @property
    def models(self) -> list[str]:
        """Compared models in the order in which they ran, which is that of the tables (``summary.json`` is sorted)."""
        return list(dict.fromkeys(self._tables["layers"].model))

    def top(self, model: str) -> str:
        """Return the name of the model's last layer."""
        return self._summary["models"][model]["top_layer"]

    def scores(self, model: str, area: str):
        """Return the row of the model's top layer in an area, or None if there is none."""
        rows = self.layers[(self.layers.model == model) & (self.layers.layer == self.top(model))]
        return next(rows[rows.region == area].itertuples(), None)

    def unit_scores(self, model: str, area: str, score: str = "r2") -> np.ndarray:
        """Return the defined scores of the units of an area for the model's top layer, (n_units,)."""
        rows = self.units[(self.units.model == model) & (self.units.layer == self.top(model))]
        return rows[score][(rows.region == area) & rows[score].notna()].to_numpy()

    def similarities(self, model: str, area: str) -> pd.DataFrame:
        """Return the rows of the model's top layer in an area, one per recording, where rho is defined."""
        rows = self.rsa[(self.rsa.model == model) & (self.rsa.layer == self.top(model))]
        return rows[(rows.region == area) & rows.rho.notna()]

    def single_fixations(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return the median normalised score of single fixations, as published, by model, part and area.

        Parts are ``zeroth`` and ``later``; undefined medians are left out.
        """
        scores: dict = {}
        medians = self.fixations.groupby(["model", "part", "region"], sort=False)["published"].median().dropna()
        for (model, part, area), median in medians.items():
            scores.setdefault(model, {}).setdefault(part, {})[area] = float(median)
        return scores

    def roles(self) -> dict[str, str | None]:
        """Return the model in each role of the paper.

        Returns
        -------
        dict
            ``first``: the first network of the corrected protocol (else its first model); ``report``: the first model
            of the report's protocol; ``twin``: the model of the same kind under the corrected one; ``baseline``: the
            pixels. None if no such model was compared: a model is not trained if its images are missing.
        """
        models = self._summary["models"]
        corrected = [name for name in self.models if models[name]["protocol"] == "corrected"]
        networks = [name for name in corrected if models[name]["kind"] not in UNLEARNED]
        report = [name for name in self.models if models[name]["protocol"] == "report"]
        pixels = [name for name in corrected if models[name]["kind"] == "pixels"]
        first = next(iter(networks or corrected), None)
        kinds = {models[name]["kind"] for name in report[:1]}
        return {
            "first": first,
            "report": next(iter(report), None),
            "twin": next((name for name in corrected if models[name]["kind"] in kinds), None),
            "baseline": next((name for name in pixels if name != first), None),
        }

    def example(self) -> dict:
        """Read gaze and spikes of the example recording, and thumbnails of the images of the RDMs."""
        return _read_json(self.file(EXAMPLE), EXAMPLE_KEYS)

    def rdms(self, model: str):
        """Return the RDMs of one model and one recorded population (xarray Dataset)."""
        path = self.file(f"compare/{model}/rdms.nc")
        return hdf5.read_dataset(path, f"run the stage compare@{model}")


def read(folder: str | os.PathLike = RESULTS) -> Results:
    """Read and check everything the figures and the paper need.

    Raises
    ------
    DataError
        If a file, a column or a key is missing; the message names it.
    """
    folder = Path(folder)
    tables = {name: _read_table(folder / f"{name}.csv", columns.split()) for name, columns in COLUMNS.items()}
    return Results(folder, tables, _read_json(folder / SUMMARY, KEYS))


def _read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except FileNotFoundError:
        raise DataError(f"{path} is missing: run the stage summary (dvc repro summary)") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a CSV table: {' '.join(str(error).split())}") from error
    if absent := [name for name in columns if name not in table.columns]:
        raise DataError(f"{path} has no column {', '.join(absent)}: run the stage summary again (dvc repro -f summary)")
    return table


def _read_json(path: Path, keys: tuple[str, ...]) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing: run the stage summary (dvc repro summary)") from None
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    if absent := [key for key in keys if key not in content]:
        raise DataError(f"{path} has no key {', '.join(absent)}: run the stage summary again (dvc repro -f summary)")
    return content
