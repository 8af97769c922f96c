"""Read and check the results once, so that no figure meets a missing column."""

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.core.files import hdf5
from analysis.core.paths import RESULTS
from analysis.core.reading import TEXT, damaged, read_csv, read_json
from paper.kinds import Example, Summary

COLUMNS = {
    "accuracy": "model protocol split n accuracy ci_low ci_high balanced_accuracy",
    "best": "model region layers",
    "units": "model protocol layer recording subject region unit n_images r_corrected r r2 ceiling",
    "layers": "model protocol layer region n_units r_corrected r_corrected_low r_corrected_high "
    "r2 r2_low r2_high ceiling",
    "decoding": "model recording region system factor measure score",
    "kernel": "model recording region system complexity precision",
    "learning": "model recording region system n_train score",
    "beyond_label": "model recording region n_images n_units measure value ci_low ci_high",
    "seeds": "model region measure layer seeds mean sd low high",
    "seed_values": "model seed region measure layer value",
    "rsa": "model protocol layer recording region n_images n_units rho ci_low ci_high ceiling_lower ceiling_upper",
    "contrasts": "model other layer region difference low high p p_holm",
    "fixations": "model protocol layer recording region unit part n_fixations explained published",
    "tests": "model protocol layer region recordings rho p_bh p_max",
    "validation": "recording region unit ceiling explainable drifting",
}
"""Columns of each table that the paper uses."""

STAGE_COLUMNS = {
    "audit/shapley": "score field value low high",
    "audit/single_choices": "network start field r2 rho",
    "audit/report_splits": "seed r2",
    "audit/confound": "join table recordings rho rho_low rho_high within within_low within_high",
    "audit/power": "share informative blocks blocks_low blocks_high not_identifiable",
    "audit/selection": "nested non_nested",
    "audit/table_blocks": "block rows",
    "audit/table_fill": "block unit mean_z",
    "audit/table_units": "variance_by_block",
    "candidates/runs": "variant seed accuracy",
    "candidates/differences": "variant measure difference ci_low ci_high",
    "candidates/predictivity": "kind accuracy region median_corrected_r",
    "candidates/correlations": "region candidates r ci_low ci_high over_v1 over_v1_low over_v1_high",
    "candidates/searches": "kind region accuracy median_corrected_r accuracy_rank predictivity_rank",
    "explain/localisation": "model weights method in_face in_shifted_faces",
    "timing/bins": "region part start_ms stop_ms latency_ms reliability reliable",
    "timing/scores": "model region part start_ms stop_ms r_corrected r_corrected_low r_corrected_high",
    "explain/images": "model weights method stem in_face in_shifted_faces",
}
"""Columns of tables in the folder of a stage that figures and docs use."""

STAGE_TEXT = (*TEXT, "score", "field", "network", "start", "join", "table", "block", "variant", "kind")
STAGE_TEXT += ("weights", "method", "stem", "verdict", "recordings")
"""Columns of these that hold text."""

SUMMARY, EXAMPLE = "summary.json", "example.json"
AGAIN = "run the stage summary"

LEAST_FIXATIONS = 50
"""Single fixations in a recording below which their scores are not printed."""
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

    def table(self, stage: str, name: str) -> pd.DataFrame:
        """Read a table of `STAGE_COLUMNS` from the folder of a stage."""
        columns = STAGE_COLUMNS[f"{stage}/{name}"].split()
        return read_csv(self.file(f"{stage}/{name}.csv"), f"run the stage {stage}", columns, STAGE_TEXT)

    def ran(self, stage: str) -> bool:
        """Say whether a stage wrote its folder.

        Raises
        ------
        DataError
            If the folder is there without its summary, or with one that is damaged.
        """
        folder = self.folder / stage
        return folder.is_dir() and bool(read_json(folder / SUMMARY, f"run the stage {stage}"))

    def check_stages(self) -> None:
        """Raise `DataError` if a file of a stage that ran is damaged, before anything is drawn or compiled."""
        for stage in dict.fromkeys(name.split("/")[0] for name in STAGE_COLUMNS):
            if not self.ran(stage):
                continue
            again = f"run the stage {stage}"
            for path in sorted((self.folder / stage).glob("*.csv")):
                known = f"{stage}/{path.stem}" in STAGE_COLUMNS
                self.table(stage, path.stem) if known else read_csv(path, again)
            for path in sorted((self.folder / stage).glob("*.nc")):
                with hdf5.opened(path, "netCDF", again):
                    pass

    @property
    def source(self) -> str:
        """``simulated`` or ``real``."""
        return self._summary["source"]

    @property
    def models(self) -> list[str]:
        """Compared models in the order in which they ran, which is that of the tables (``summary.json`` is sorted)."""
        return list(dict.fromkeys(self._tables["layers"].model))

    @property
    def corrected(self) -> list[str]:
        """Compared models of the corrected protocol."""
        return [model for model in self.models if self._summary["models"][model]["protocol"] == "corrected"]

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

        Parts are ``zeroth`` and ``later``. Recordings with fewer than `LEAST_FIXATIONS` of a part are left out, since
        scores of so few responses are noise, and so are undefined medians.
        """
        scores: dict = {}
        table = self.fixations[self.fixations["n_fixations"] >= LEAST_FIXATIONS]
        medians = table.groupby(["model", "part", "region"], sort=False)["published"].median().dropna()
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
        corrected = self.corrected
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
        return read_json(self.file(EXAMPLE), AGAIN, Example)

    def rdms(self, model: str):
        """Return the RDMs of one model and one recorded population (xarray Dataset)."""
        path = self.file(f"compare/{model}/rdms.nc")
        names = ("stem", "category", "model_rdm", "neural_rdm")
        return read_netcdf(path, f"run the stage compare for {model}", names, ("recording", "region", "layer", "rho"))


def path_of(used: str) -> Path:
    """Return the path of a file of `Results.used`: a committed table lies in ``paper``, all others in ``results``."""
    return Path(used) if used.startswith("paper/") else RESULTS / used


def read(folder: str | os.PathLike = RESULTS) -> Results:
    """Read and check everything the figures and the paper need.

    Raises
    ------
    DataError
        If a file, a column or a key is missing; the message names it.
    """
    folder = Path(folder)
    tables = {name: read_csv(folder / f"{name}.csv", AGAIN, columns.split(), TEXT) for name, columns in COLUMNS.items()}
    summary = read_json(folder / SUMMARY, AGAIN, Summary)
    if unknown := set(tables["layers"].model) - summary["models"].keys():
        raise damaged(folder / SUMMARY, f"no model {min(map(str, unknown))}, which layers.csv has", AGAIN)
    return Results(folder, tables, summary)


def read_netcdf(path: Path, again: str, names: Collection[str], attributes: Collection[str] = ()):
    """Read a whole netCDF file that has these variables and attributes (xarray Dataset)."""
    found = hdf5.read_dataset(path, again)
    if absent := [name for name in names if name not in found.variables] + [
        name for name in attributes if name not in found.attrs
    ]:
        raise damaged(path, f"no {absent[0]}", again)
    return found
