"""Two clones that run a stage at once with one store: the same bytes as undisturbed, also when one is killed."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis.core import paths
from analysis.models.activations import stage as activations_stage
from analysis.models.train import stage as train
from tests.models.test_stages import digests
from tests.project import ROOT

STAGES = {"train": (train, paths.MODELS), "activations": (activations_stage, paths.ACTIVATIONS)}


def start(folder, stage, model):
    code = (
        f"from analysis import params; from analysis.models.{stage} import stage; stage.run(params.load(), '{model}')"
    )
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, **pipes
    )


def outputs(folder, output):
    return {name.removeprefix(f"{folder}/"): digest for name, digest in digests(folder / output).items()}


@pytest.mark.parametrize(
    ("stage", "model", "kill"),
    [("train", "hmo", False), ("train", "report_hmo", True), ("activations", "report_hmo", True)],
)
def test_two_clones_with_one_store_end_with_the_same_bytes(project, tmp_path, stage, model, kill):
    values = project()
    train.run(values, model)
    run, output = STAGES[stage][0].run, STAGES[stage][1] / model
    run(values, model)
    here, there = Path.cwd(), tmp_path / "there"
    undisturbed = outputs(here, output)
    assert len(undisturbed) > 3
    shutil.rmtree(output)
    shutil.copytree(here, there)
    first = start(here, stage, model)
    work = tmp_path / "store" / "work"
    limit = time.monotonic() + 120
    while not list(work.glob(f"{stage}-*/*")) and first.poll() is None and time.monotonic() < limit:
        time.sleep(0.002)
    assert first.poll() is None, "the first had ended before the second began"
    second = start(there, stage, model)
    if kill:
        first.kill()
        first.wait()
        first = start(here, stage, model)
    for process in (first, second):
        said = process.communicate(timeout=300)[1]
        assert process.returncode == 0, said
    assert outputs(here, output) == undisturbed
    assert outputs(there, output) == undisturbed
    assert not list(work.glob(f"{stage}-*"))
