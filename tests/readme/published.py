"""The tiny experiment as if it had been published: behind stand-ins of DANDI, OSF and GitHub, with its own pins."""

import shutil
from pathlib import Path

from analysis.acquire.real import sources
from tests.acquire.world import World


class PublishedExperiment(World):
    """What is in a simulated ``data/raw``, served as the real data are.

    Parameters
    ----------
    folder : Path
        Where to lay out what the servers send.
    raw : Path
        The ``data/raw`` of a finished copy.
    """

    def __init__(self, folder: Path, raw: Path):
        self.source = raw
        super().__init__(folder)

    def _fill(self) -> None:
        shutil.copytree(self.source / "dandiset", self.archive)
        shutil.copytree(self.source / "stimuli", self.node)
        shutil.copytree(self.source / "annotations/db", self.repository(sources.ANNOTATIONS) / "db")
        shutil.copytree(self.source / "report", self.repository(sources.REPORT) / "preprocessing")

    def pin_project(self, folder: Path) -> None:
        """Replace the pins in a copy of the code, and the names of the archive's volumes: here it has more of them."""
        super().pin_project(folder)
        path = folder / "analysis/acquire/real/sources.py"
        volumes = tuple(sorted(file.name for file in self.node.iterdir()))
        path.write_text(path.read_text().replace(repr(sources.STIMULI.volumes).replace("'", '"'), repr(volumes)))
