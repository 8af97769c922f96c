"""The command line: one command per stage of ``dvc.yaml``, and a few for single files given by hand."""

from pathlib import Path
from typing import Annotated

import typer

from analysis.audit.command import app as audit
from analysis.core.errors import DataError
from analysis.explain.command import app as explain
from analysis.run import run_stage

app = typer.Typer(
    name="analysis",
    help="Compare networks with macaque visual areas: a command per stage of the pipeline, in the order of the data.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

store = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(store, name="store", help="Look after the store of fetched files.", rich_help_panel="The real data")

REAL = "The real data"
STAGES = "Stages of the pipeline (dvc repro runs them in order)"
BY_HAND = "For files given by hand"
COPIES = "Other environments, other copies"


@app.command(rich_help_panel=STAGES)
def acquire() -> None:
    """Bring the data to data/raw: simulate the embedded experiment, or fetch the published files."""
    run_stage("acquire")


@app.command(rich_help_panel=STAGES)
def stimuli() -> None:
    """Read the images and annotations: pad, label and split."""
    run_stage("stimuli")


@app.command(rich_help_panel=STAGES)
def recordings(protocol: Annotated[str, typer.Argument(help="corrected or report")]) -> None:
    """Turn spike rasters and gaze into one table of responses per recording."""
    run_stage("recordings", protocol)


@app.command(rich_help_panel=STAGES)
def train(model: Annotated[str, typer.Argument(help="an entry under models in params.yaml")]) -> None:
    """Train one model on face / non-face images."""
    run_stage("train", model)


@app.command(rich_help_panel=STAGES)
def activations(model: Annotated[str, typer.Argument(help="an entry under models in params.yaml")]) -> None:
    """Compute the activations of a model's named layers for every image."""
    run_stage("activations", model)


@app.command(rich_help_panel=STAGES)
def neural(protocol: Annotated[str, typer.Argument(help="corrected or report")]) -> None:
    """Work out what comparisons need of the recordings: mean responses, ceilings, the populations' read-out."""
    run_stage("neural", protocol)


@app.command(rich_help_panel=STAGES)
def compare(model: Annotated[str, typer.Argument(help="an entry under models in params.yaml")]) -> None:
    """Compare a model's layers with the recorded areas: predictivity, RDMs, ceilings."""
    run_stage("compare", model)


app.add_typer(audit, name="audit", rich_help_panel=STAGES)


@app.command(rich_help_panel=STAGES)
def candidates() -> None:
    """Search candidate modules: performance against predictivity, and what each part of HMO is worth."""
    run_stage("candidates")


app.add_typer(explain, name="explain", rich_help_panel=STAGES)


@app.command(rich_help_panel=STAGES)
def summary() -> None:
    """Gather the results of all models into tidy tables and results/summary.json."""
    run_stage("summary")


@app.command(rich_help_panel=STAGES)
def figures() -> None:
    """Draw the figures of the paper from results/."""
    run_stage("figures")


@app.command(rich_help_panel=STAGES)
def report() -> None:
    """Build paper/report.pdf from the figures and results/."""
    run_stage("report")


@app.command(rich_help_panel=REAL)
def plan() -> None:
    """Say what the choice in params.yaml means: recordings, units, files, bytes. Downloads no data."""
    from analysis import params
    from analysis.acquire.real.plan import plan

    print(plan(params.load().acquire))


@store.command()
def verify() -> None:
    """Hash every file of the store again; damaged ones are removed and fetched anew when needed."""
    from analysis.acquire.real import keep

    if bad := keep.verify():
        raise DataError(
            f"{len(bad)} damaged files removed from the store: {', '.join(bad)}; run the stage acquire again"
        )
    print("all files of the store are what they should be")


@store.command("list")
def list_store() -> None:
    """List the files of the store: hash, size, published name."""
    from analysis.acquire.real import keep

    print("\n".join(keep.listing()))


@store.command()
def prune(
    files: Annotated[
        bool, typer.Option("--files", help="also whole files that the present choice does not need")
    ] = False,
    days: Annotated[float, typer.Option(help="age in days from which unfinished downloads and work go", min=0)] = 30,
) -> None:
    """Remove old unfinished downloads and work, and on request files that params.yaml does not choose."""
    from analysis import params
    from analysis.acquire.real import keep
    from analysis.acquire.real.blobs import show_bytes

    print(f"removed {show_bytes(keep.prune(params.load().acquire if files else None, days))}")


@app.command(rich_help_panel=BY_HAND)
def recording(
    main_file: Annotated[Path, typer.Argument(metavar="MAIN.nwb", help="trials, presentations and fixations")],
    rasters: Annotated[Path, typer.Argument(metavar="RASTERS.nwb", help="spike rasters of the same recording")],
    annotations: Annotated[Path, typer.Option(help="folder with the area, rig, latency and RF tables")],
    out: Annotated[Path, typer.Option(metavar="OUT.nc", help="netCDF file to write")],
    protocol: Annotated[str, typer.Option(help="corrected or report")] = "corrected",
) -> None:
    """Turn one recording into a table of responses, outside the pipeline."""
    from analysis.recordings import stage

    stage.one_recording(main_file, rasters, annotations, out, protocol)


@app.command(rich_help_panel=BY_HAND)
def inspect(
    recording: Annotated[str, typer.Argument(help="a recording's name, or its netCDF file")],
    plot: Annotated[bool, typer.Option("--plot", help="also write a page of pictures")] = False,
    out: Annotated[Path | None, typer.Option(help="file of the page (.png, .pdf, .svg)")] = None,
    protocol: Annotated[str, typer.Option(help="corrected or report")] = "corrected",
) -> None:
    """Show one recording: units, fixations, rates, repeatability."""
    from analysis.tools.inspect import inspect as show

    show(recording, plot, out, protocol)


@app.command(
    rich_help_panel=REAL,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
)
def worker(context: typer.Context) -> None:
    """Be a worker of a dask scheduler, with the numerics of the pipeline: ADDRESS and options as of `dask worker`."""
    from analysis.core.cluster import run_worker

    run_worker(context.args)


@app.command(rich_help_panel=COPIES)
def environment() -> None:
    """Print this environment, and in what it differs from that of the results at hand."""
    import json

    from analysis.core.environment import FILE, differences, read, stamp
    from analysis.core.paths import RESULTS

    print(json.dumps(ours := stamp(), indent=1))
    if not (RESULTS / FILE).is_file():
        print("there are no results here to hold it against (dvc repro makes them)")
    elif lines := differences(ours, read(RESULTS / FILE)):
        print("\n".join(["the results at hand were computed in another environment:", *lines]))
    else:
        print("the results at hand were computed in this environment")


@app.command(rich_help_panel=COPIES)
def diff(
    folder: Annotated[Path, typer.Argument(help="another copy of the project, with results")],
    tolerance: Annotated[float, typer.Option(help="largest difference of two numbers; 0: the same bytes", min=0)] = 0.0,
) -> None:
    """Compare tables, figures and paper with those of another copy; status 1 if they differ."""
    from analysis.tools.diff import compare

    comparison = compare(".", folder)
    print("\n".join(comparison.lines()))
    if not comparison.within(tolerance):
        raise typer.Exit(1)


@app.command(rich_help_panel=BY_HAND)
def export_assembly(
    recording: Annotated[str, typer.Argument(help="a recording's name, or its netCDF file")],
    out: Annotated[Path, typer.Argument(metavar="OUT.nc", help="netCDF file to write")],
    protocol: Annotated[str, typer.Option(help="corrected or report")] = "corrected",
) -> None:
    """Write a recording as an assembly with BrainIO's names: presentation x neuroid x time_bin."""
    from analysis.tools.assembly import export

    sizes = export(recording, out, protocol).sizes
    print(f"{out}: " + ", ".join(f"{size} {name}s" for name, size in sizes.items()))


@app.command(rich_help_panel=BY_HAND)
def crate() -> None:
    """Describe data and results for archives: ro-crate-metadata.json, from dvc.lock."""
    from analysis.tools import crate

    print(f"{crate.OUTPUT}: {crate.run()} entities")
