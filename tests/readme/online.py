"""Run the commands of README and docs that need the network, in a clone, and look at what they say and leave.

Run by ``nox -s online``. Unlike `run`, it goes on after a command that fails: each asks another place.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import yaml

from analysis.core.files import write_json
from analysis.tools import crate
from tests import locks
from tests.project import ROOT
from tests.readme.commands import Command
from tests.readme.reader import Failed, Reader, environment, git, repository
from tests.readme.table import Run, expected_runs

SBOM = "sbom-cpu.cdx.json"


def describe_results(project: Path) -> None:
    """Write the crate of the lock file, without the results that it describes."""
    lock, pipeline, citation = (
        yaml.safe_load((project / name).read_text()) for name in ("dvc.lock", "dvc.yaml", "CITATION.cff")
    )
    write_json(project / crate.OUTPUT, crate.crate_of(lock, pipeline, citation).metadata.generate())


def jobs_can_be_asked_for(project: Path) -> None:
    """What ``NNN_SCHEDULER=slurm`` imports is there."""
    command = [project / ".nox/env-cpu/bin/python", "-c", "from dask_jobqueue import SLURMCluster"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


RESOLVE = "nox -s resolve"
FOUND = Run("all packages of requirements-cpu.lock, requirements.lock, requirements-test.lock were found")

ONLINE: dict[str, dict[str, Run]] = {
    "README": {
        "python3 -m venv .venv": Run(leaves=(".venv/pyvenv.cfg",)),
        ".venv/bin/pip install nox": Run("Successfully installed .*nox|Requirement already satisfied: nox"),
    },
    "results": {
        "nox -s metadata": Run("Citation metadata are valid(.|\n)*valid RO-Crate", before=describe_results),
    },
    "cluster-and-gpu": {
        # and nothing in place of what is locked
        "pip install dask-jobqueue": Run(
            r"Successfully installed dask[-_]jobqueue-[\d.]+$", after=jobs_can_be_asked_for
        ),
    },
    "container": {
        "nox -s sbom": Run("packages, valid CycloneDX", leaves=(SBOM,)),
        "nox -s advisories": Run(r"^(\d+) of \1 packages looked up, 0 advisories"),
        RESOLVE: FOUND,
    },
    "contributing": {
        "nox -s lock": Run(leaves=tuple(locks.NAMES.values()), after=locks.check),
    },
}
"""By page and command, as `tests.readme.table.HERE`."""


def clone(origin: Path, folder: Path) -> Path:
    """Clone as a reader does, with an environment that sees the packages of this one and takes more."""
    git("clone", "--quiet", str(origin), str(folder))
    made = folder / ".nox/env-cpu"
    subprocess.run([sys.executable, "-m", "venv", str(made)], check=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(made)})
    Path(packages, "locked.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def main(nox: Path) -> None:
    """Run everything; exit with what failed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # how this machine asks its indexes stays as it is
        known = {key: value for key, value in os.environ.items() if re.match("PIP_|UV_|HOME$", key)}
        reader = Reader(
            clone(repository(folder / "origin", ROOT), folder / "clone"), environment(folder, ROOT, nox) | known, {}
        )
        # once more at the end, with the new locks
        runs, failed = [*expected_runs(ONLINE), (Command(RESOLVE, "contributing", False), FOUND)], []
        for command, expected in runs:
            try:
                reader.run(command, expected)
            except Failed as error:
                failed.append(str(error))
        if (reader.clone / SBOM).is_file():
            shutil.copy(reader.clone / SBOM, ROOT / SBOM)
    print(f"readme: {len(runs) - len(failed)} of {len(runs)} commands did what they should")
    if failed:
        sys.exit("\n\n".join(failed))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
