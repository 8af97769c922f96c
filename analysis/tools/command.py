"""Commands outside the pipeline: single recordings, descriptions for archives, comparisons with other copies."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from analysis.core.files.claim import FORCE_HELP

BY_HAND = "For single files"
COPIES = "For archives and other copies of the project"
Protocol = Annotated[Literal["corrected", "report"], typer.Option(help="rules by which the recording is processed")]
OfName = Annotated[
    Literal["corrected", "report"] | None,
    typer.Option(help="rules by which a recording given by name was processed (default: corrected)"),
]
Recording = Annotated[str, typer.Argument(help="a recording's name, or its netCDF file")]
Force = Annotated[bool, typer.Option("--force", help=FORCE_HELP)]

app = typer.Typer(rich_markup_mode=None)


@app.command(rich_help_panel=BY_HAND)
def recording(
    main_file: Annotated[
        Path, typer.Argument(metavar="MAIN.nwb", readable=False, help="trials, presentations and fixations")
    ],
    rasters: Annotated[
        Path, typer.Argument(metavar="RASTERS.nwb", readable=False, help="spike rasters of the same recording")
    ],
    annotations: Annotated[Path, typer.Option(readable=False, help="folder with the area, rig, latency and RF tables")],
    out: Annotated[Path, typer.Option(metavar="OUT.nc", readable=False, help="netCDF file to write")],
    protocol: Protocol = "corrected",
    force: Force = False,
) -> None:
    """Turn one recording into a table of responses, outside the pipeline."""
    from analysis.core.files.claim import claim
    from analysis.recordings.stage import one_recording

    claim(out, suffixes=[".nc"], inputs=[main_file, rasters, annotations], force=force)
    one_recording(main_file, rasters, annotations, out, protocol)
    print(f"wrote {out}")


@app.command(rich_help_panel=BY_HAND)
def repeatability(
    main_file: Annotated[Path, typer.Argument(metavar="MAIN.nwb", help="trials, presentations and fixations")],
    rasters: Annotated[Path, typer.Argument(metavar="RASTERS.nwb", help="spike rasters of the same recording")],
    annotations: Annotated[Path, typer.Option(help="folder with the authors' tables")],
    out: Annotated[Path, typer.Option(metavar="OUT.json", readable=False, help="file to write")],
    force: Force = False,
) -> None:
    """Write how repeatable the units of a recording are by area, compared with the authors' list of selective units."""
    from analysis.core.files.claim import claim
    from analysis.tools.repeatability import write_repeatability

    claim(out, suffixes=[".json"], inputs=[main_file, rasters, annotations], force=force)
    found = write_repeatability(main_file, rasters, annotations, out)
    print(f"wrote {out}: {found['units']} units, median reliability {found['median_reliability']:.3f}")


@app.command(rich_help_panel=BY_HAND)
def inspect(
    recording: Recording,
    plot: Annotated[bool, typer.Option("--plot", help="also draw a page of plots")] = False,
    out: Annotated[
        Path | None, typer.Option(readable=False, help="file of the page (.png, .pdf, .svg); needs --plot")
    ] = None,
    protocol: OfName = None,
    force: Force = False,
) -> None:
    """Show one recording: units, fixations, rates, repeatability."""
    from analysis.tools.inspect import inspect

    inspect(recording, plot, out, protocol, force)


@app.command(rich_help_panel=BY_HAND)
def export_assembly(
    recording: Recording,
    out: Annotated[Path, typer.Argument(metavar="OUT.nc", readable=False, help="netCDF file to write")],
    protocol: OfName = None,
    force: Force = False,
) -> None:
    """Write a recording as an assembly with BrainIO's names: presentation x neuroid x time_bin."""
    from analysis.tools.assembly import export

    sizes = export(recording, out, protocol, force).sizes
    print(f"wrote {out}: " + ", ".join(f"{size} {name}s" for name, size in sizes.items()))


@app.command(rich_help_panel=BY_HAND)
def predict(
    model: Annotated[str, typer.Argument(help="an entry under models in params.yaml")],
    image: Annotated[list[Path], typer.Option(metavar="FILE", help="an image file of any size; others may follow")],
    more: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="further image files")] = None,
    dataset: Annotated[str | None, typer.Option(metavar="NAME", help="a recorded data set, in recorded/NAME")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="OUT.csv", readable=False, help="file to write, in place of standard output")
    ] = None,
    force: Force = False,
) -> None:
    """Predict the response of every recorded unit to images, as CSV."""
    from analysis.core.errors import DataError
    from analysis.core.files import write_csv
    from analysis.core.files.claim import claim
    from analysis.tools.predict import predict

    images = [*image, *(more or [])]
    if out is None and force:
        raise DataError("--force needs --out")
    if out is not None:
        claim(out, suffixes=[".csv"], inputs=images, force=force)
    table = predict(model, images, dataset)
    if out is None:
        print(table.to_csv(index=False, lineterminator="\n"), end="")
    else:
        write_csv(out, table)
        print(f"wrote {out}: {len(table)} predictions")


@app.command(rich_help_panel=COPIES)
def crate(force: Force = False) -> None:
    """Describe data and results for archives: ro-crate-metadata.json, from dvc.lock."""
    from analysis.core.files.claim import claim
    from analysis.tools.crate import OUTPUT, write_crate

    claim(OUTPUT, suffixes=[".json"], force=force)
    print(f"wrote {OUTPUT}: {write_crate()} entities")


@app.command(rich_help_panel=COPIES)
def environment() -> None:
    """Print this environment and how it differs from that of the existing results."""
    import json

    from analysis.core.environment import FILE, differences, read, stamp
    from analysis.core.paths import RESULTS

    print(json.dumps(ours := stamp(), indent=1))
    if not (RESULTS / FILE).is_file():
        print("no results here to compare with (dvc repro computes them)")
    elif lines := differences(ours, read(RESULTS / FILE)):
        print("\n".join(["the existing results were computed in another environment:", *lines]))
    else:
        print("the existing results were computed in this environment")


@app.command(rich_help_panel=COPIES)
def diff(
    folder: Annotated[Path, typer.Argument(readable=False, help="another copy of the project, with results")],
    tolerance: Annotated[float, typer.Option(help="largest difference of two numbers; 0: the same bytes", min=0)] = 0.0,
) -> None:
    """Compare tables, figures and paper with those of another copy; exit with status 1 if they differ."""
    from analysis.tools.diff import compare

    comparison = compare(".", folder)
    print("\n".join(comparison.lines()))
    if not comparison.within(tolerance):
        raise typer.Exit(1)
