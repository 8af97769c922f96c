"""The whole pipeline on the real files at hand, fetched by the real client, to a paper that says what was missing.

The same recording is also a data set beside it, with a report of its own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pypdf
import yaml

from tests.acquire.reference_world import RECORDING, online
from tests.acquire.world import ROOT

BESIDE = "free_viewing"
SOURCES = ["analysis", "paper", "dvc.yaml", ".dvcignore", "requirements.lock", "requirements-cpu.lock"]
SAME = ("units", "visually_selective", "listed", "both", "rsc", "rsc_selective", "rsc_across_trials")
"""What the committed table of the recording says of it, in the report's words and numbers."""


def _text(pdf: Path) -> str:
    pages = pypdf.PdfReader(pdf).pages
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages).replace("\u00ad\n", ""))


def test_one_recording_and_nine_images_to_the_paper(reference, tmp_path):
    project = tmp_path / "clone"
    project.mkdir()
    generated = shutil.ignore_patterns("__pycache__", "figures", "*.pdf", "report.html", "claims.json", ".gitignore")
    for name in filter(lambda name: (ROOT / name).exists(), SOURCES):
        copy = shutil.copy if (ROOT / name).is_file() else lambda a, b: shutil.copytree(a, b, ignore=generated)
        copy(ROOT / name, project / name)
    values = yaml.safe_load((ROOT / "tests/fixture/params.yaml").read_text())
    committed = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["acquire"] |= {"source": "real", "recordings": [RECORDING]}
    values["stimuli"]["images"] = "all"  # the recording shows none of the nine
    values["models"]["run"] = values["explain"]["models"] = values["timing"]["models"] = ["pixels"]
    values["recorded"] |= {"run": [BESIDE], "models": ["pixels"]}
    values["recorded"]["datasets"][BESIDE] = committed["recorded"]["datasets"][BESIDE]
    (project / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))

    with online(reference, tmp_path) as (servers, settings):
        environment = os.environ | settings | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_SITE_CACHE_DIR": str(tmp_path / "site"),
            "DVC_NO_ANALYTICS": "1",
        }  # fmt: skip

        def dvc(*command: str) -> None:
            done = subprocess.run(
                [sys.executable, "-m", "dvc", *command], cwd=project, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout + done.stderr

        dvc("init", "--no-scm", "--quiet")
        shutil.copy(ROOT / ".dvc" / "config", project / ".dvc" / "config")
        dvc("config", "core.no_scm", "true")
        dvc("repro")
        blobs = {request.path.split("/", 3)[3].partition("?")[0] for request in servers["dandi"].asked("/blobs/")}
        assert blobs == {f"sub-An/sub-An_ses-20220105T173929{kind}.nwb" for kind in ("", "_image")}

    manifest = json.loads((project / "data/raw/manifest.json").read_text())
    assert manifest["recordings"] == [RECORDING]
    assert manifest["recordings_published"] == 679
    published = manifest["files"]["dandiset/sub-An/sub-An_ses-20220105T173929.nwb"]
    assert published == {
        "size": 1885381,
        "sha256": "09524da211b44436fc3e9b90327f3514f4e29e952cb708df5ccc66c4702fc88f",
    }
    summary = json.loads((project / "results/summary.json").read_text())
    assert summary["data"]["fixations_selected"] == 3426
    assert summary["data"]["images"] == 9
    assert summary["data"]["faces"] == 6
    report, supplement = (_text(project / f"paper/{name}.pdf") for name in ("report", "supplement"))
    assert "Some data were not available:" in report
    assert "300 of 309 images" in report
    assert "1 recording from 1 monkey, 35 stable units" in report
    assert "No model could be compared with the available data." in report
    assert "1 recording from 1 monkey with 35 stable units" in supplement
    assert "sums the spikes of all fixations without one" in supplement

    beside = project / "recorded" / BESIDE
    for name, listed in manifest["files"].items():
        assert (beside / "data/raw" / name).stat().st_size == listed["size"]
    found = json.loads((beside / "results/recorded.json").read_text())["repeatability"]["V1"]
    kept = json.loads((ROOT / "paper/recorded/An220105.json").read_text())["repeatability"]["V1"]
    assert {key: found[key] for key in SAME} == {key: kept[key] for key in SAME}
    text = _text(beside / "paper/report.pdf")
    assert "No model could be compared with the responses of 35 recorded units to 300 images." in text
    assert "3 426 fixations of 850 presentations in which the images were viewed freely (1 recording)" in text
    assert "300 of 309 images" in text
    assert "No model could be compared with the available data." in text
    assert "over return fixations is 0.201, and 0.223 over the 26 975 published selective units" in text
