"""Which recordings the parameters choose, and what ``plan`` says of it."""

import re

import pytest

from analysis.acquire.real import blobs, choice, dandi, sources
from analysis.acquire.real.plan import plan_of
from analysis.acquire.real.stage import published
from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from tests.acquire.world import World


def names(chosen) -> list[str]:
    return [recording.name for recording in chosen]


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({}, ["An220105", "Bf211114", "Pa191024_1", "Pa191024_2", "Pa200205"]),
        ({"areas": ["CIT"]}, ["Bf211114", "Pa200205"]),
        ({"areas": ["V1", "AIT"]}, ["An220105", "Pa191024_1", "Pa191024_2", "Pa200205"]),
        ({"monkeys": ["Pa"], "areas": ["CIT"]}, ["Pa200205"]),
        ({"recordings": ["An220105"]}, ["An220105"]),
        ({"limit": 2}, ["An220105", "Bf211114"]),
        # Recordings of one date are told apart by their order only: they come together.
        ({"recordings": ["Pa191024_2"]}, ["Pa191024_1", "Pa191024_2"]),
        ({"limit": 3}, ["An220105", "Bf211114", "Pa191024_1", "Pa191024_2"]),
    ],
)
def test_choice(world, wanted, wish, expected):
    assert names(choice.choose(published(), wanted(**wish).acquire)) == expected


def test_names_go_with_times(world):
    by_name = {recording.name: recording for recording in published()}
    assert "T115441" in by_name["Pa191024_1"].files["main"].path
    assert "T124245" in by_name["Pa191024_2"].files["rasters"].path
    assert by_name["Pa200205"].units == {"CIT": 3, "AIT": 3}


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"monkeys": ["Xx"]}, r"acquire\.monkeys: unknown Xx; choose from An, Bf, Pa"),
        ({"recordings": ["An220106", "Pa200205"]}, r"acquire\.recordings: unknown An220106; choose from"),
        ({"areas": ["V1"], "monkeys": ["Pa"]}, "match no recording: widen one"),
    ],
)
def test_an_impossible_choice_is_named(world, wanted, wish, said):
    with pytest.raises(DataError, match=said):
        choice.choose(published(), wanted(**wish).acquire)


def test_files_of_a_kind(world):
    pins = choice.files(published(), ["behavior"])
    assert len(pins) == 5
    assert all(pin.path.endswith("_behavior.nwb") for pin in pins)


def test_tables_that_do_not_fit_the_files_are_an_error(world):
    listing = dandi.listing(sources.DANDISET)
    tables = World.pins_of(world.repository(sources.ANNOTATIONS))
    units, banks = ((world.repository(sources.ANNOTATIONS) / pin.path).read_bytes() for pin in (tables[2], tables[1]))
    assert len(choice.recordings(listing, units, banks)) == 5
    with pytest.raises(DataError, match="2 recordings, but"):
        choice.recordings(listing, units, banks.replace(b"Pa191024_2", b"Pa191024_9"))
    with pytest.raises(DataError, match="unexpected file name in the dandiset"):
        choice.recordings([sources.Pin("0" * 64, 1, "../evil.nwb")], units, banks)
    with pytest.raises(DataError, match="cannot be read"):
        choice.recordings(listing, b"no gzip", banks)


def test_plan_downloads_no_data(world, wanted):
    text = plan_of(wanted(areas=["CIT"]), None)
    assert "2 of 5 recordings, 9 units" in text
    assert re.search(r"^CIT +all +2 +6$", text, re.MULTILINE)
    assert re.search(r"^AIT +Pa +1 +3$", text, re.MULTILINE)
    assert re.search(r"^DANDI rasters +2 +240 kB +0 bytes$", text, re.MULTILINE)
    assert "OSF image archive (Stimuli.z01, Stimuli.zip)" in text
    assert "free in the store" in text
    assert len(blobs.blobs()) == 3  # the listing and two tables
    assert not world.dandi.asked("blobs")
    assert not world.osf.log


def test_the_published_recordings(reference, monkeypatch, wanted):
    from tests.servers.dandi import Dandi
    from tests.servers.loopback import serve

    rows = [line.split(",") for line in (reference / "dandi-000628-0.230922.1642.csv").read_text().splitlines()[1:]]
    with serve(Dandi(files=[(row[0], int(row[1]), row[2]) for row in rows])) as server:
        monkeypatch.setenv("NNN_DANDI_API", server.api)
        listing = dandi.listing(sources.DANDISET)
    database = reference / "annotations/db"
    units, banks = (database / "units.csv.gz").read_bytes(), (database / "bank_array_regions.csv").read_bytes()
    everything = choice.recordings(listing, units, banks)
    assert names(everything) == sorted((database / "sessions.txt").read_text().split())
    assert len({recording.monkey for recording in everything}) == 13
    by_area = {area: sum(recording.units.get(area, 0) for recording in everything) for area in AREAS}
    assert by_area == {"V1": 613, "V2": 1277, "V4": 4269, "PIT": 1654, "CIT": 34670, "AIT": 24262}
    number = {area: len(choice.choose(everything, wanted(areas=[area]).acquire)) for area in AREAS}
    assert number == {"V1": 18, "V2": 39, "V4": 122, "PIT": 52, "CIT": 424, "AIT": 245}
    assert sum(len(recording.units) > 1 for recording in everything) == 203
    both = choice.files(everything, ["main", "rasters"])
    assert sum(pin.size for pin in both) == 6_382_805_631
