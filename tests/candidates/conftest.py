"""The planted project of the comparison, with images that a module can see and small values for this stage."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis import params
from tests.models.conftest import TINY
from tests.planted import measured, planted, project  # noqa: F401

SMALL = {
    "model": "hmo", "report": "hmo_report", "random": 4, "searched": 3, "size": 16, "grid": 2, "n_filt": [[4, 8]],
    "batch": 2, "areas": ["CIT", "AIT"], "folds": 3, "bootstrap": 20,
    "ablation": {
        "seeds": 2,
        "hmo": {
            "size": 16, "grid": 2, "top": 8, "n_filt": [[4, 8]],
            "first": {"modules": 1, "candidates": 2}, "second": {"modules": 1, "candidates": 2},
        },
        "report": {
            "size": 16, "candidates": 2, "kept": 1, "epochs": [1], "modules": 1, "final_epochs": 1, "top": 8,
        },
    },
}  # fmt: skip


@pytest.fixture
def searched(project) -> params.Params:  # noqa: F811
    """Parameters of the project; faces have a bright bar on noise."""
    table = pd.read_csv("data/stimuli/images.csv")
    images = np.random.default_rng(4).integers(60, 190, (len(table), 3, 16, 16))
    images[(table["label"] == "face").to_numpy(), :, 6:9, 3:13] += 60
    np.save("data/stimuli/images.npy", images.astype(np.uint8))
    values = yaml.safe_load(Path("params.yaml").read_text())
    values["models"] |= {"hmo": TINY["hmo"], "hmo_report": TINY["report_hmo"]}
    values["candidates"] = SMALL
    Path("params.yaml").write_text(yaml.safe_dump(values))
    return params.load()
