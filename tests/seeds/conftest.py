"""The planted project, with images that a network can tell apart and a small network trained on them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis import params
from analysis.compare import stage as compare
from analysis.models.activations import stage as activations
from analysis.models.train import stage as train
from tests.models.conftest import TINY
from tests.planted import measured, planted, project  # noqa: F401

MODEL = "network"


@pytest.fixture
def trained(project, tmp_path, monkeypatch) -> params.Params:  # noqa: F811
    """Parameters of the project, in which a small network has been trained and compared."""
    monkeypatch.setenv("NNN_STORE", str(tmp_path / "store"))
    table = pd.read_csv("data/stimuli/images.csv")
    images = np.random.default_rng(4).integers(60, 190, (len(table), 3, 16, 16))
    images[(table["label"] == "face").to_numpy(), :, 6:9, 3:13] += 40
    np.save("data/stimuli/images.npy", images.astype(np.uint8))
    for name in ("models", "data/activations"):
        Path(name).unlink()  # a link to the planted ones
        Path(name).mkdir()
    values = yaml.safe_load(Path("params.yaml").read_text())
    values["models"] = {"run": [MODEL], MODEL: TINY["cnn"]}
    values["seeds"] = {"further": 2}
    Path("params.yaml").write_text(yaml.safe_dump(values))
    found = params.load()
    for stage in (train, activations, compare):
        stage.run(found, MODEL)
    return found
