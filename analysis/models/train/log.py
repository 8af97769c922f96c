"""Learning curves: live through dvclive, and as one table."""

import math
from pathlib import Path

import pandas as pd

from analysis.core.files import write_csv, writing


class Log:
    """Metrics by phase and step, in order of arrival.

    dvclive appends them to ``folder/dvclive`` while training runs; `finish` writes all as ``folder/history.csv``.
    A resumed training logs its finished steps again, so both are as if it had never been interrupted. There are no time
    stamps. Raises `WriteError` if a file cannot be written.
    """

    def __init__(self, folder: Path):
        from dvclive import Live

        class OnlyFiles(Live):
            """dvclive without DVC: opening its repository writes databases; on a full disk that gives a traceback."""

            def _init_dvc(self) -> None:
                pass

        self._path = folder / "history.csv"
        self._folder = folder / "dvclive"
        self._rows: list[tuple[str, int, str, float]] = []
        with writing(self._folder):
            self._live = OnlyFiles(str(self._folder), report=None, save_dvc_exp=False, dvcyaml=None)

    def __call__(self, phase: str, step: int, metrics: dict[str, float]) -> None:
        """Add the metrics of one step of a phase (``final``, ``candidates``, ...)."""
        with writing(self._folder):
            self._live.step = step
            for name, value in sorted(metrics.items()):
                if math.isfinite(value):
                    self._rows.append((phase, step, name, value))
                    self._live.log_metric(f"{phase}/{name}", value)
            self._live.make_summary()

    def finish(self) -> None:
        """Write ``history.csv`` and close dvclive's files."""
        with writing(self._folder):
            self._live.end()
        write_csv(self._path, pd.DataFrame(self._rows, columns=["phase", "step", "metric", "value"]))
