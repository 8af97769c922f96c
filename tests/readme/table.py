"""What is expected of each command of the README, what its words stand for, and which commands cannot run here.

A command of the README is in exactly one place: a command line of the pipeline (``dvc.lock`` shows that it ran), `HERE`
(``run.py`` runs it and looks at what it says and leaves), `ONLINE` (``online.py`` does so, with the network), or
`ELSEWHERE`, with the reason and with what checks it then.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pypdf
import xarray as xr
import yaml

from benchmarks import table as speeds
from paper.blocks import block
from tests.readme.commands import README, ROOT, SHELL, Command, code_blocks, commands, parts

MODEL, RECORDING = "hmo_report", "Mo210505"
FILLED = ("speed", "gpu", "truth")
"""Blocks of the README that the benchmarks' figures fill."""


@dataclass(frozen=True)
class Run:
    """What a command must do, in the folder where it runs."""

    says: str = ""
    """Pattern in what it prints."""
    says_not: str | None = None
    leaves: tuple[str, ...] = ()
    """Files that it makes: they are removed before."""
    before: Callable[[Path], None] | None = None
    """What the README tells its reader to do by hand before, done here."""
    after: Callable[[Path], None] | None = None
    """Looks at what it left; raises AssertionError."""


def substitutes(folder: Path, session: str) -> dict[str, str]:
    """Return what stands for the README's placeholders: words of the text, and what is typed here.

    Parameters
    ----------
    folder : Path
        Folder of the run; ``other`` in it is a finished copy, ``image.png`` an image.
    session : str
        Path of a recording of the tiny experiment, as ``data/raw/dandiset/sub-X/sub-X_ses-Y``.
    """
    return {
        "halving FOLDER": f"halving {folder / 'halving'}",
        " HERE THERE": f" {folder / 'halving'} {folder / 'halving'}",
        " FILE": f" {folder / 'image.png'}",
        " FOLDER": f" {folder / 'other'}",
        " MODEL": f" {MODEL}",
        "RECORDING": RECORDING,
        "inspect An220105": f"inspect {RECORDING}",
        "sub-An_ses-20220105T173929": session,
        "annotations/db": "data/raw/annotations/db",
        "s3://BUCKET/PATH": str(folder / "remote"),
        " STORE:": f" {folder / 'store'}:",
        "docker run ... ": 'docker run -v "$PWD/work:/work" ',
    }


def set_parameter(group: str, **values) -> Callable[[Path], None]:
    """Return what edits one group of ``params.yaml``."""

    def edit(project: Path) -> None:
        path = project / "params.yaml"
        parameters = yaml.safe_load(path.read_text())
        parameters[group] |= values
        path.write_text(yaml.safe_dump(parameters, sort_keys=False))

    return edit


def add_own_model(project: Path) -> None:
    """Enter the README's model of one's own in ``params.yaml``."""
    [entry] = map(yaml.safe_load, code_blocks("yaml"))
    models = yaml.safe_load((project / "params.yaml").read_text())["models"]
    set_parameter("models", **entry, run=[*models["run"], *entry])(project)


def choose_real_data(project: Path) -> None:
    """Set the source to real, and compare one model alone, to save time."""
    set_parameter("acquire", source="real")(project)
    set_parameter("models", run=["pixels"])(project)
    set_parameter("explain", models=["pixels"])(project)


def spoil_values(project: Path) -> None:
    """Empty the blocks of values in the clone's README."""
    path = project / "README.md"
    text = re.sub(
        r"(<!-- (?:answer|expected|speed|gpu|truth): [^>]*-->\n).*?(<!-- /)", r"\1\2", path.read_text(), flags=re.DOTALL
    )
    path.write_text(text)


def values_are_filled(project: Path) -> None:
    """Both blocks hold values again."""
    text = (project / "README.md").read_text()
    assert "On simulated data HMO labels" in text
    assert "| `accuracy` | `python -m analysis figures` |" in text


def speeds_are_filled(project: Path) -> None:
    """The tables of what the benchmarks found are those of the README here."""
    text = (project / "README.md").read_text()
    assert [block(text, name) for name in FILLED] == [block(README, name) for name in FILLED]


def change_paper(project: Path) -> None:
    """Add a remark to the source of the paper, so that its stage is out of date."""
    with (project / "paper/report.typ").open("a") as file:
        file.write("// a remark\n")


def figures_are_kept(name: str, *parts: str) -> Callable[[Path], None]:
    """Return what looks at the small figures of a benchmark: parts (as in the full ones), finite, rows in the table."""

    def look(project: Path) -> None:
        full, small = (project / folder for folder in ("benchmarks", FIGURES))
        found, known = (json.loads((folder / f"{name}.json").read_text()) for folder in (small, full))
        there, wanted = (set(one[0] if isinstance(one, list) else one) for one in (found, parts or known))
        assert there >= wanted, f"{name}.json lacks {wanted - there}"
        numbers = list(numbers_in(found))
        assert numbers, f"{name}.json holds no number"
        assert all(map(math.isfinite, numbers)), f"{name}.json holds a number that is not finite"
        rows = [[row[3].split()[0] for row in (*speeds.rows(one), *speeds.truths(one))] for one in (small, full)]
        assert (name in rows[0]) == (name in rows[1]), f"no row of the README's tables comes from {name}.json"

    return look


def numbers_in(found) -> Iterator[float]:
    """Yield the numbers in what JSON holds."""
    if isinstance(found, dict | list):
        for one in found.values() if isinstance(found, dict) else found:
            yield from numbers_in(one)
    elif isinstance(found, int | float):
        yield found


def paper_has_pages(project: Path) -> None:
    """The PDF opens."""
    assert len(pypdf.PdfReader(project / "paper/report.pdf").pages) > 4


def assembly_opens(project: Path) -> None:
    """The export has BrainIO's dimensions."""
    with xr.open_dataarray(project / f"{RECORDING}.nc") as assembly:
        assert assembly.dims == ("presentation", "neuroid", "time_bin")
        assert assembly.size > 0


def recording_opens(project: Path) -> None:
    """The recording made by hand is the one that the pipeline made."""
    with (
        xr.open_dataset(project / "An220105.nc") as made,
        xr.open_dataset(project / f"data/recordings/corrected/{RECORDING}.nc") as known,
    ):
        assert made.rate.values.tolist() == known.rate.values.tolist()
        assert made.stimulus_id.values.tolist() == known.stimulus_id.values.tolist()


def crate_describes_the_lock(project: Path) -> None:
    """Every output of the lock file is an entity of the crate."""
    graph = json.loads((project / "ro-crate-metadata.json").read_text())["@graph"]
    names = {entity["@id"].rstrip("/") for entity in graph}
    stages = yaml.safe_load((project / "dvc.lock").read_text())["stages"].values()
    assert {out["path"] for stage in stages for out in stage["outs"]} <= names


def image_is_explained(project: Path) -> None:
    """Numbers and maps of the image are there."""
    assert json.loads((project / "explained/image.json").read_text())
    assert list((project / "explained").glob("*.png"))


def parameters_are_back(project: Path) -> None:
    """``params.yaml`` is that of the commit."""
    assert yaml.safe_load((project / "params.yaml").read_text())["compare"]["bootstrap"] == 50


def data_are_real(project: Path) -> None:
    """The receipt names the published files, and they lie where it says."""
    manifest = json.loads((project / "data/raw/manifest.json").read_text())
    assert manifest["source"] == "real"
    assert manifest["recordings"]
    assert all((project / "data/raw" / name).is_file() for name in manifest["files"])


def remote_has_files(project: Path) -> None:
    """The remote holds what was pushed."""
    assert any((project.parent / "remote").rglob("*.dir"))


_DIGEST = "sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84"
PAPER = ("paper/report.pdf", "paper/report.html")
FIGURES = "benchmarks/small"
UP_TO_DATE = "Data and pipelines are up to date"

HERE: dict[str, dict[str, Run | tuple[Run, ...]]] = {
    "Two commands": {
        **{part: Run() for part in parts(SHELL)},
        ".venv/bin/nox -s reproduce": Run("the paper is in paper/report.pdf", leaves=PAPER, after=paper_has_pages),
    },
    "What to expect": {
        "python -m paper.expected": Run(before=spoil_values, after=values_are_filled),
        "nox -s reproduce 2>&1 | python -m benchmarks.stages": Run(
            "Running stage 'report'",
            before=change_paper,
            leaves=(f"{FIGURES}/stages.json",),
            after=figures_are_kept("stages"),
        ),
        "nox -s verify": Run("ok +The RO-Crate is that of the lock file", says_not="FAILED"),
    },
    "How it works": {
        "python -m analysis --help": Run("acquire(.|\n)*report"),
        "dvc repro": Run(UP_TO_DATE),
        "dvc stage list": Run("acquire +Simulate(.|\n)*report +The paper"),
        "dvc metrics show": Run("hmo_report"),
        "dvc metrics diff": Run(),
        "dvc plots show": Run("index.html", leaves=("dvc_plots/index.html",)),
    },
    "Read the results": {
        f"python -m analysis export-assembly {RECORDING} {RECORDING}.nc": Run(
            "presentations", leaves=(f"{RECORDING}.nc",), after=assembly_opens
        ),
        "python -m analysis crate": Run("entities", leaves=("ro-crate-metadata.json",), after=crate_describes_the_lock),
    },
    "Change a parameter": {
        "dvc repro": (
            Run(
                "(Running stage|Stage) 'stimuli'(:| is cached)",
                says_not="Running stage 'train",
                before=set_parameter("stimuli", unreadable_allowed=0.02),
            ),
            Run("Stage 'compare@hmo' is cached", says_not="Running stage"),
        ),
        "dvc exp run -S compare.bootstrap=2000": Run(
            "(Running stage|Stage) 'compare@hmo'(:| is cached)", says_not="Running stage 'train"
        ),
        "dvc exp show --only-changed": Run(r"compare\.bootstrap(.|\n)* 2000 "),
        "dvc params diff": Run(r"compare\.bootstrap +50 +2000"),
        "git checkout params.yaml": Run("Updated 1 path", after=parameters_are_back),
    },
    "Your own model": {
        "dvc repro -f train@mine": Run(
            "Running stage 'train@mine'", before=add_own_model, leaves=("models/mine/metrics.json",)
        ),
        "python -m analysis explain --model hmo_report --image FILE": Run(r"P\(face\)", after=image_is_explained),
    },
    "Your own recording": {
        "python -m analysis recording sub-An_ses-20220105T173929_image.nwb sub-An_ses-20220105T173929.nwb "
        "--annotations annotations/db --protocol corrected --out An220105.nc": Run(
            leaves=("An220105.nc",), after=recording_opens
        ),
        "python -m analysis inspect RECORDING": Run(f"^{RECORDING} "),
    },
    "One image explained": {
        "python -m analysis explain --model MODEL --image FILE": Run(
            r"P\(face\)", leaves=("explained/image.json",), after=image_is_explained
        ),
    },
    "The real data": {
        "python -m analysis plan": Run("of 6 recordings", before=choose_real_data),
        "dvc repro acquire": Run("Running stage 'acquire'", leaves=("data/raw/manifest.json",), after=data_are_real),
        "dvc repro": Run("(Running stage|Stage) 'report'(:| is cached)", leaves=PAPER, after=paper_has_pages),
        "python -m analysis store list": Run(r"sub-Mo_ses-\w+\.nwb"),
        "python -m analysis store verify": Run("all files of the store are what they should be"),
        "python -m analysis store prune --files": Run("removed 0 bytes"),
        "dvc remote add -d lab s3://BUCKET/PATH": Run("Setting 'lab' as a default remote"),
        "dvc push": Run(r"\d+ files pushed", after=remote_has_files),
        "dvc pull": Run(leaves=("results/summary.json",)),
    },
    "The container": {
        "docker build -t compendium --build-arg REVISION=$(git rev-parse HEAD) .": Run(),
        "docker build -t compendium --build-arg REVISION=$(git rev-parse HEAD) --build-arg FLAVOUR=cpu "
        f"--build-arg BASE_IMAGE=python:3.11.16-slim-bookworm@{_DIGEST} --build-arg BASE_DIGEST={_DIGEST} .": Run(),
        "docker run --name paper --network=none compendium": Run(r"Stage 'report' is cached"),
        "docker cp paper:/work/paper/report.pdf .": Run(leaves=("report.pdf",)),
        "mkdir work": Run(),
        "docker run --rm --network=none --read-only --tmpfs /tmp:exec --cap-drop=ALL --security-opt=no-new-privileges "
        '--user $(id -u):$(id -g) -v "$PWD/work:/work" compendium': Run(leaves=("work/paper/report.pdf",)),
        'docker run --rm --user $(id -u):$(id -g) -v "$PWD:/work" -v STORE:/store -e NNN_STORE=/store compendium': Run(
            leaves=PAPER, after=paper_has_pages
        ),
        "docker run ... compendium reproduce figures report": Run(UP_TO_DATE),
        'docker run --rm -v "$PWD:/work" compendium python -m analysis inspect An220105': Run(f"^{RECORDING} "),
        'podman run --rm --userns=keep-id --user $(id -u):$(id -g) --network=none -v "$PWD/work:/work" compendium': Run(
            UP_TO_DATE
        ),
        "docker save compendium -o compendium.tar": Run(leaves=("compendium.tar",)),
        "apptainer build compendium.sif docker-archive:compendium.tar": Run(leaves=("compendium.sif",)),
        'apptainer run --containall --bind "$PWD/work:/work" compendium.sif': Run(UP_TO_DATE),
    },
    "Where did a result come from?": {
        "python -m analysis environment": Run("the results at hand were computed in this environment"),
        "python -m analysis diff FOLDER": Run("have the same bytes"),
        "python -m analysis diff FOLDER --tolerance 1e-6": Run("have the same bytes"),
    },
    "How fast": {
        "python -m benchmarks.table": Run(before=spoil_values, after=speeds_are_filled),
        "python -m benchmarks.halving FOLDER": Run(
            leaves=(f"{FIGURES}/halving.json",), after=figures_are_kept("halving")
        ),
        **{
            f"python -m benchmarks.gpu {piece}": Run(
                leaves=(f"{FIGURES}/gpu.json",), after=figures_are_kept("gpu", kept)
            )
            for piece, kept in (
                ("report", "report on the processor"),
                ("hmo", "hmo on the processor"),
                ("scores HERE THERE", "scores"),
            )
        },
        **{
            f"python -m benchmarks.{name}": Run(leaves=(f"{FIGURES}/{name}.json",), after=figures_are_kept(name))
            for name in ("acquire", "compare", "explain", "hmo", "models", "recordings", "scale")
        },
    },
    "How right": {
        "python -m benchmarks.calibration": Run(
            leaves=tuple(f"{FIGURES}/calibration.{kind}" for kind in ("json", "png")),
            after=figures_are_kept("calibration"),
        ),
        "python -m benchmarks.layer_order": Run(
            leaves=tuple(f"{FIGURES}/layer_order.{kind}" for kind in ("json", "png")),
            after=figures_are_kept("layer_order", "planted stages", MODEL),
        ),
    },
    "When something goes wrong": {
        "pip cache purge": Run("Files removed"),
        "git config --global --add safe.directory FOLDER": Run(),
    },
    "Limits of reproducibility": {
        "git rev-parse HEAD:analysis HEAD:paper": Run(r"^[0-9a-f]{40}\n[0-9a-f]{40}$"),
        "sha256sum data/raw/manifest.json": Run("^[0-9a-f]{64}  data/raw"),
    },
}
"""By heading and command; several in order where a command is typed so often under one heading."""

ELSEWHERE: dict[str, tuple[str, str]] = {
    r"(\.venv/bin/)?nox|nox -s (fixture|online)": ("what is running now", "every run of this"),
    r"nox -s container|docker build --target checks .*|docker run --rm --network=none compendium:checks test": (
        "an engine, and the suite once more",
        "a job of .github/workflows/ci.yml",
    ),
    r"sudo container/podman-bare .*": ("root, packages of Debian", "nox -s container where there is no other engine"),
    r"docker run --gpus all -e NNN_DEVICE=cuda \.\.\.": ("a GPU", "tests/models/test_gpu.py where there is one"),
}
"""Patterns of commands that do not run here: why, and what checks them instead."""


def expected_runs(table: dict[str, dict[str, Run | tuple[Run, ...]]]) -> list[tuple[Command, Run]]:
    """Return the README's commands that a table has, with what is expected, in order: of a block each, of text once."""
    found, seen = [], Counter()
    for command in commands():
        key = command.heading, command.text
        expected = table.get(command.heading, {}).get(command.text)
        if expected and (command.in_block or not seen[key]):
            runs = expected if isinstance(expected, tuple) else (expected,)
            found.append((command, runs[min(seen[key], len(runs) - 1)]))
            seen[key] += 1
    return found


def elsewhere(command: str) -> str | None:
    """Return the pattern in `ELSEWHERE` that a command is, if it is there."""
    return next((pattern for pattern in ELSEWHERE if re.fullmatch(pattern, command)), None)


def of_pipeline(command: str) -> bool:
    """Say whether a command is the command line of a stage, for one of its models or protocols."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
    return any(re.fullmatch(re.sub(r"\\\$\\\{.*?\\\}", r"\\w+", re.escape(stage["cmd"])), command) for stage in stages)
