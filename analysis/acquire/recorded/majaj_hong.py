"""Macaque V4 and IT (Majaj, Hong et al. 2015), recorded for Yamins et al. (2014): the public part in Brain-Score.

The authors normalised the responses, so some are negative. Images show 64 objects of 8 categories on natural
scenes, at one position, size and pose (variation 0) or several (variation 3).
"""

from pathlib import Path

from analysis.acquire.real import blobs, sources
from analysis.acquire.real.download import fetch, pinned
from analysis.acquire.recorded import brainio, layout
from analysis.acquire.recorded.presentations import responses
from analysis.core import settings
from analysis.core.errors import DataError
from analysis.params import Params
from analysis.params.recorded import MajajHong

PINS = sources.RECORDED_PINS / "majaj_hong.txt"
"""Digests as stated by Brain-Score (github.com/brain-score/vision, commit c642dbe42aae3ed064bc0b66f70a80b264021164)."""
ASSEMBLY, TABLE, PICTURES = "assy_dicarlo_MajajHong2015_public.nc", "stimulus_hvm-public.csv", "stimulus_hvm-public.zip"
URL = "https://github.com/brain-score/vision/tree/c642dbe42aae3ed064bc0b66f70a80b264021164"
LICENCE = "none stated with the files; the public part of a Brain-Score benchmark"
CITATION = (
    "Majaj, N. J., Hong, H., Solomon, E. A. & DiCarlo, J. J. Simple learned weighted sums of inferior temporal "
    "neuronal firing rates accurately predict human core object recognition performance. Journal of Neuroscience "
    "35, 13402-13418 (2015). doi:10.1523/JNEUROSCI.5181-14.2015; files: Schrimpf, M. et al. Brain-Score. bioRxiv "
    "(2018). doi:10.1101/407007"
)


def acquire(entry: MajajHong, params: Params, raw: Path) -> None:
    """Fetch the three files, unless the store has them, and write the common layout to `raw`.

    Raises
    ------
    DataError
        If a file cannot be fetched, differs from its pin, or does not follow BrainIO's layout.
    """
    pins = {pin.path: pin for pin in sources.parse_pins(PINS.read_text(encoding="utf-8"))}
    n = fetch([pinned(pin, settings.read().brainscore) for pin in pins.values()])
    path = {name: blobs.blob_path(pin.digest) for name, pin in pins.items()}
    try:
        table = brainio.read_assembly(path[ASSEMBLY], "MajajHong2015", None, None)
        images, picture = brainio.read_stimuli(path[TABLE], path[PICTURES])
    except DataError as error:
        raise DataError(f"majaj_hong: {error}") from error
    origin = layout.Origin(
        "V4 and IT, public part", URL, LICENCE, CITATION, {name: pin.digest for name, pin in pins.items()}
    )
    data = responses(table, "normalised", ASSEMBLY)
    layout.write(raw, images, data, picture, entry.source, origin)
    print(f"acquire: V4 and IT: {data.rates.shape[1]} units, {len(images)} images; {n} files fetched")
