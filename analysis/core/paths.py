"""Folders of the pipeline, relative to the one that holds ``params.yaml``."""

from pathlib import Path

RAW = Path("data/raw")
DANDISET = RAW / "dandiset"
STIMULI_ARCHIVE = RAW / "stimuli"
ANNOTATIONS = RAW / "annotations"
REPORT_FILES = RAW / "report"
TRUTH = RAW / "truth"
STIMULI = Path("data/stimuli")
RECORDINGS = Path("data/recordings")
NEURAL = Path("data/neural")
ACTIVATIONS = Path("data/activations")
MODELS = Path("models")
RESULTS = Path("results")
FIGURES = Path("paper/figures")
