"""The stages and commands that are tried on spoilt files and full disks, and the experiment they run on."""

import shutil
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import yaml

from analysis.run import value_at
from tests.project import ROOT


@dataclass(frozen=True)
class Step:
    """A stage or command: its words after ``python -m analysis``, and what it writes."""

    words: tuple[str, ...]
    outs: tuple[str, ...]

    @property
    def name(self) -> str:
        return " ".join(self.words)


def steps(folder: Path, every: bool) -> list[Step]:
    """Return all stages, each with one item of its matrix or with all, and the commands that read what they wrote.

    Those of data sets of which dissimilarities alone were published are not among them: such files cannot be made up.
    """
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    found = [step for entry in stages.values() for step in _of_stage(entry, params, every)]
    recording = sorted((folder / "data/recordings/corrected").glob("*.nc"))[0].stem
    image = next((folder / "data/raw/annotations").rglob("*.png")).relative_to(folder).as_posix()
    model = params["models"]["run"][0]
    found += [
        Step(("inspect", recording, "--plot", "--out", "page.svg"), ("page.svg",)),
        Step(("export-assembly", recording, "assembly.nc"), ("assembly.nc",)),
        Step(("explain", "--model", model, "--image", image), ("explained",)),
        Step(("predict", model, "--image", image, "--out", "predicted.csv"), ("predicted.csv",)),
        Step(("audit", "table", "table.csv", "--label", "data/raw/report/face.csv", "--out", "audited"), ("audited",)),
        Step(("diff", "other"), ()),
        Step(("environment",), ()),
        Step(("crate",), ("ro-crate-metadata.json",)),
    ]
    return [step for step in found if step.words != ("acquire",)]  # it reads nothing


def _of_stage(entry: dict, params: dict, every: bool) -> list[Step]:
    """Return a stage of ``dvc.yaml`` for one item of its matrix or for all, and for each protocol."""
    matrix = {
        key: items if isinstance(items, list) else value_at(params, items.strip("${}"))
        for key, items in entry.get("matrix", {}).items()
    }
    chosen = [items if every or key == "protocol" else items[:1] for key, items in matrix.items()]
    listed = [*entry.get("outs", ()), *entry.get("metrics", ())]
    outs = [out if isinstance(out, str) else next(iter(out)) for out in listed]
    found = []
    for items in product(*chosen):
        text = "\n".join([" ".join(entry["cmd"].split()[3:]), *outs])
        for key, item in zip(matrix, items, strict=True):
            text = text.replace(f"${{item.{key}}}", item)
        command, *written = text.split("\n")
        found.append(Step(tuple(command.split()), tuple(written)))
    return found


def copy(experiment: Path, folder: Path) -> None:
    """Copy an experiment to `folder` with the code of this project, and what the commands by hand need beside it.

    A recorded data set is added, that of ``docs/your-data-set.md``.
    """
    kept = [name for name in ("data", "models", "results", "paper") if (experiment / name).is_dir()]
    for name in kept:
        shutil.copytree(experiment / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "dvc.lock"):
        shutil.copy(experiment / name, folder / name)
    generated = shutil.ignore_patterns("__pycache__", "figures", "*.pdf", "report.html", "claims.json", ".gitignore")
    for name in ("analysis", "paper"):
        shutil.copytree(ROOT / name, folder / name, ignore=generated, dirs_exist_ok=True)
    for name in ("dvc.yaml", "CITATION.cff", *(lock.name for lock in ROOT.glob("requirements*.lock"))):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(folder / "results", folder / "other" / "results")
    table = folder / "other" / "results" / "units.csv"  # another copy whose numbers differ, so that they are read
    table.write_text(table.read_text(encoding="utf-8").replace("0.1", "0.2", 1), encoding="utf-8")
    _table_of_responses(folder / "table.csv", folder / "data")
    from tests.readme.outcomes import add_own_data_set, run_own_program  # late: it loads numpy

    run_own_program(folder)
    add_own_data_set(folder)


def _table_of_responses(path: Path, data: Path) -> None:
    import numpy as np
    import pandas as pd

    images = pd.read_csv(data / "stimuli" / "images.csv")["path"]
    values = np.random.default_rng(0).normal(size=(len(images), 4))
    pd.DataFrame(values, columns=list("abcd")).assign(image=images).to_csv(path, index=False)
