"""Command ``explain``: run the stage, or explain one image."""

from pathlib import Path
from typing import Annotated

import typer

from analysis.core.errors import DataError
from analysis.core.files.claim import FORCE_HELP

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def explain(
    model: Annotated[str | None, typer.Option(help="a trained model; with --image, explain one image only")] = None,
    image: Annotated[
        Path | None, typer.Option(metavar="FILE", readable=False, help="an image file of any size")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", readable=False, help="folder for the maps (PNG) and their numbers (default: explained)"
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
) -> None:
    """Show where in images models find evidence for a face; or explain one image (--model and --image)."""
    from analysis import params
    from analysis.core.numerics import fixed_threads
    from analysis.run import run_stage

    if (model is None) != (image is None):
        raise DataError("give both --model and --image to explain one image, or neither to run the stage")
    if image is None and (out or force):
        raise DataError("--out and --force are for one image: give --model and --image")
    if image is None:
        run_stage("explain")
        return
    with fixed_threads():
        from analysis.explain import one_image

        for line in one_image.explain_file(params.load(), model, image, out or Path("explained"), force):
            print(line)
