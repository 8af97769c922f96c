"""Stage ``audit`` of a recorded data set: the report's protocol, where there are fixations for it to misalign."""

from analysis.audit import stage
from analysis.core import paths
from analysis.core.files import write_json
from analysis.params import Params


def run(params: Params) -> None:
    """Write ``results/audit/`` as the stage of the experiment does; of steady gaze, a summary.json without entries."""
    if paths.DANDISET.is_dir():
        stage.run(params)
        return
    print("audit: the report's protocol assigns images to fixations, and here the gaze was steady: nothing to audit")
    write_json(stage.OUT / "summary.json", {})
