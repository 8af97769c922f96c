"""A small data set in the form of the public part of Majaj, Hong et al. (2015), and BrainIO itself where it is at hand.

BrainIO (the package brainscore-core) needs older releases of numpy and xarray than the locks hold. A Python that has
it, named by the variable BRAINIO_PYTHON, lets tests hold files here against its own writer and loader.
"""

import json
import os
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.acquire.recorded import layout
from tests import recorded_set

MAJAJ_HONG = "assy_dicarlo_MajajHong2015_public.nc", "stimulus_hvm-public.csv", "stimulus_hvm-public.zip"
NEUROIDS = [("Chabo_L_A_0_0", "Chabo", "V4"), ("Chabo_L_M_5_9", "Chabo", "IT"), ("Chabo_L_M_6_9", "Chabo", "IT")]
NEUROIDS += [("Tito_L_M_8_0", "Tito", "IT"), ("Tito_L_P_1_2", "Tito", "IT")]


def hashed(name: str) -> str:
    """A name as images have it there: forty hexadecimal digits."""
    return f"{int(name.removeprefix('image')):040x}"


def responses() -> layout.Responses:
    """The made-up responses, normalised, with the names of the published neuroids; V4 and IT of two monkeys."""
    given = recorded_set.responses()
    rates = (given.rates - given.rates.mean(axis=0)) / given.rates.std(axis=0)
    ids, animals, regions = (np.array(names) for names in zip(*NEUROIDS, strict=True))
    images = np.array([hashed(name) for name in given.image_ids])
    return layout.Responses(rates, images, given.repetitions, ids, animals, regions, animals, 100.0, normalised=True)


def assembly() -> xr.DataArray:
    """The responses as an assembly, (neuroid, presentation, time_bin), with the published coordinates."""
    given = responses()
    return xr.DataArray(
        given.rates.T[:, :, None],
        dims=("neuroid", "presentation", "time_bin"),
        coords={
            "neuroid_id": ("neuroid", given.unit_ids),
            "arr": ("neuroid", [name.split("_")[2] for name in given.unit_ids]),
            "region": ("neuroid", given.regions),
            "animal": ("neuroid", given.subjects),
            "image_id": ("presentation", given.image_ids),
            "repetition": ("presentation", given.repetitions),
            "time_bin_start": ("time_bin", [70]),
            "time_bin_end": ("time_bin", [170]),
        },
        attrs={"stimulus_set_identifier": "dicarlo.hvm-public"},
        name="data",
    )


def stimuli() -> pd.DataFrame:
    """The table of stimuli with the published columns that matter here."""
    images = recorded_set.images()
    return pd.DataFrame(
        {
            "image_id": images["image_id"].map(hashed),
            "filename": images["file"],
            "background_id": [f"{group:040x}" for group in images["group"]],
            "category_name": images["category"].map({"face": "Faces", "car": "Cars"}),
            "object_name": images["object"],
            "variation": np.resize([0, 3], len(images)),
        }
    )


def write(folder: Path) -> None:
    """Write the three files as BrainIO's writer lays them out: coordinates along dimensions without an index."""
    folder.mkdir(parents=True, exist_ok=True)
    encoding = {"data": {"zlib": True, "complevel": 9}}
    one = assembly()
    one.to_dataset(promote_attrs=True).to_netcdf(folder / MAJAJ_HONG[0], engine="h5netcdf", encoding=encoding)
    stimuli().to_csv(folder / MAJAJ_HONG[1], index=False)
    with zipfile.ZipFile(folder / MAJAJ_HONG[2], "w") as archive:
        for name, data in recorded_set.files().items():
            archive.writestr(name, data)


LOAD = """
import json, sys
from brainscore_core.supported_data_standards.brainio.assemblies import NeuroidAssembly
path, = sys.argv[1:]
found = NeuroidAssembly.from_files(path)
found.validate()
coords = {name: found[name].values.tolist() for index in found.indexes.values() for name in index.names}
print(json.dumps({"dims": found.dims, "values": found.values.tolist(), "coords": coords}, default=str))
"""
WRITE = """
import sys
import xarray as xr
from brainscore_core.supported_data_standards.brainio.assemblies import NeuronRecordingAssembly
from brainscore_core.supported_data_standards.brainio.packaging import write_netcdf
source, target = sys.argv[1:]
write_netcdf(NeuronRecordingAssembly(xr.open_dataarray(source)), target)
"""


def run(program: str, *paths: Path) -> str:
    """Run a program in a Python that has BrainIO; skip the test where none is named."""
    if not (python := os.environ.get("BRAINIO_PYTHON")):
        pytest.skip("BRAINIO_PYTHON names no Python that has brainscore-core (it needs older numpy and xarray)")
    command = [python, "-c", program, *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def load(path: Path) -> dict:
    """Return what BrainIO's own loader reads: ``dims``, ``values`` and ``coords``, the levels of its indexes."""
    return json.loads(run(LOAD, path))


def rewrite(source: Path, target: Path) -> None:
    """Write an assembly again with BrainIO's own writer."""
    run(WRITE, source, target)
