"""Run the commands of README and docs, in their order, in clones that hold the tiny experiment.

Run by ``nox -s fixture`` once that is built. Six readers work, some at once, each in a clone of its own: one runs the
benchmarks at their small sizes, one fetches data that are served as the real ones are, one uses containers, one changes
parameters, one brings data of its own, and one does all the rest.
"""

import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from benchmarks import sizes
from tests.project import ROOT
from tests.readme.commands import Command, commands
from tests.readme.published import PublishedExperiment
from tests.readme.reader import Failed, Reader, clone, environment, repository
from tests.readme.table import HERE, MODEL, RECORDING, Run, expected_runs, of_pipeline, substitutes

ALONE = {
    "real-data": "fetching",
    "container": "containers",
    "pipeline": "changing",
    "your-model": "own",
    "your-recording": "own",
    "your-data-set": "own",
}
"""The clone in which the commands of a page run, where it is not the common one."""

TIMING = "timing"
"""The clone in which benchmarks run, wherever they stand."""

AT_ONCE = 3
"""Readers at work: enough for two cores, since much of a short command is not computing."""

NAMES = [TIMING, "common", *dict.fromkeys(ALONE.values())]


def place_of(command: Command) -> str:
    """Return the clone in which a command runs."""
    return TIMING if "python -m benchmarks." in command.text else ALONE.get(command.page, "common")


def to_run(name: str) -> list[tuple[Command, Run]]:
    """Return the commands that run in one of the clones, in order."""
    return [(command, run) for command, run in expected_runs(HERE) if place_of(command) == name]


def session(raw: Path) -> str:
    """Return the path of the recording's files in a ``data/raw`` without what their names end in."""
    pattern = f"dandiset/sub-{RECORDING[:2]}/*_ses-20{RECORDING[2:8]}T*_image.nwb"
    [path] = raw.glob(pattern)
    return f"data/raw/{path.relative_to(raw)}".removesuffix("_image.nwb")


def not_of_pipeline(build: Path) -> list[str]:
    """Return the command lines of stages on the pages that the pipeline of a finished copy did not run.

    Stages of recorded data sets run in the clone that makes one; here it is enough that ``dvc.yaml`` has them.
    """
    ran = {stage["cmd"] for stage in yaml.safe_load((build / "dvc.lock").read_text())["stages"].values()}
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    recorded = [stage["cmd"] for name, stage in stages.items() if name.startswith("recorded-")]
    templates = [re.sub(r"\\\$\\\{item\\\.\w+\\\}", r"\\w+", re.escape(command)) for command in recorded]
    texts = {command.text.replace("MODEL", MODEL) for command in commands()}
    return sorted(
        text
        for text in texts
        if of_pipeline(text) and text not in ran and not any(re.fullmatch(one, text) for one in templates)
    )


def main(build: Path, other: Path, nox: Path) -> None:
    """Run everything; exit with what failed.

    Parameters
    ----------
    build, other : Path
        Two finished copies of the tiny experiment.
    nox : Path
        The program nox.
    """
    if lacking := not_of_pipeline(build):
        sys.exit(f"the pages name commands of stages that did not run: {', '.join(lacking)}")
    start, folder = time.monotonic(), build.with_name("readme")
    folder.mkdir()
    origin = repository(folder / "origin", build)
    (folder / "other").symlink_to(other)
    image = np.load(build / "data/stimuli/images.npy", mmap_mode="r")[0]
    Image.fromarray(image.transpose(1, 2, 0)).save(folder / "image.png")
    words, variables = substitutes(folder, session(build / "data/raw")), environment(folder, build, nox)
    world = PublishedExperiment(folder / "world", build / "data/raw")

    def read(name: str) -> list[str]:
        reader = Reader(clone(origin, folder / name, build, nox, variables), variables, words)
        if name == TIMING:
            reader.environment = variables | {sizes.VARIABLE: "small"}
        if name == "fetching":
            world.pin_project(reader.clone)
            reader.environment = variables | addresses | {"NNN_STORE": str(folder / "store-fetching")}
        try:
            for command, expected in to_run(name):
                reader.run(command, expected)
        except Failed as error:
            return [str(error)]
        return []

    with world.online() as addresses, ThreadPoolExecutor(AT_ONCE) as pool:
        if failed := [line for lines in pool.map(read, NAMES) for line in lines]:
            sys.exit("\n\n".join(failed))
    n = sum(len(to_run(name)) for name in NAMES)
    print(f"readme: {n} commands in {time.monotonic() - start:.0f} s")
