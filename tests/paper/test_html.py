"""The page: what it holds, and how it behaves in a browser without a network."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from analysis import params
from analysis.core.errors import DataError
from paper import build, draw, html

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
QUIET += ["--disable-sync", "--no-first-run"]


@pytest.fixture(scope="module")
def page(drawn) -> Path:
    """The page of the fabricated results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(drawn)
        build.run(params.load())
    return drawn / html.OUTPUT


def data_of(page: Path) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(), re.DOTALL)[1])


class Elements(HTMLParser):
    """Collect the identifiers, the targets of links and the addresses of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.links, self.sources, self.images = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs["href"]] if tag == "a" else []
        self.sources += [attrs[name] for name in ("src", "srcset", "data") if name in attrs]
        self.images += [attrs] if tag == "img" else []


def test_the_page_asks_for_nothing_and_its_links_lead_somewhere(page):
    found = Elements(page.read_text())
    assert len(found.ids) == len(set(found.ids))
    assert all(link.startswith("#") and link[1:] in found.ids for link in found.links)
    assert all(source.startswith("data:") for source in found.sources)
    assert page.stat().st_size < 4e6


def test_every_figure_is_there_with_its_alternative_text_and_source(page):
    texts = json.loads((page.parent / "figures/alt.json").read_text())
    found = Elements(page.read_text())
    assert [image["alt"] for image in found.images] == [texts[name] for name in draw.PLOTS]
    assert "Drawn by <code>paper/plots/areas.py</code>" in page.read_text()


def test_the_page_says_that_its_data_are_simulated(page):
    text = page.read_text()
    assert '<p class="source"><strong>Simulated data.</strong>' in text
    assert text.count("Simulated data.") == 3  # the page, the RDMs, the recording


def test_numbers_of_the_page_follow_the_results(project):
    build.run(params.load())
    assert "AIT with a median noise-corrected r of 0.777" not in Path(html.OUTPUT).read_text()
    layers = pd.read_csv("results/layers.csv")
    chosen = (layers.model == "hmo_report") & (layers.layer == "top") & (layers.region == "AIT")
    layers.loc[chosen, "r_corrected"] = 0.777
    layers.to_csv("results/layers.csv", index=False)
    build.run(params.load())
    text = Path(html.OUTPUT).read_text()
    assert "AIT with a median noise-corrected r of 0.777" in text
    assert text.count('<td data-v="0.777">0.777</td>') == 2  # top layers, all layers


def test_the_page_has_the_same_bytes_twice(page, monkeypatch):
    first = page.read_bytes()
    monkeypatch.chdir(page.parents[1])
    build.run(params.load())
    assert page.read_bytes() == first


def test_gaze_and_spikes_are_those_of_the_results(page):
    recorded = json.loads((page.parents[1] / "results/example.json").read_text())["recording"]
    shown = data_of(page)["example"]
    assert shown["units"] == recorded["units"]
    assert [image["presentations"] for image in shown["images"]] == [i["presentations"] for i in recorded["images"]]
    assert {image["category"] for image in shown["images"]} == {"no category"}
    assert shown["screen"] == "rgb(100 100 100)"


def test_images_of_the_rdms_are_those_with_a_thumbnail(project):
    example = json.loads(Path("results/example.json").read_text())
    stems = sorted(example["thumbnails"])[:10]
    example["thumbnails"] = {stem: example["thumbnails"][stem] for stem in stems}
    Path("results/example.json").write_text(json.dumps(example))
    build.run(params.load())
    rdm = data_of(Path(html.OUTPUT))["rdm"]
    assert len(rdm["category"]) == len(rdm["thumbnails"]) == 10
    assert rdm["thumbnails"].count(None) == 1


def test_without_the_rasters_the_page_says_so(project):
    example = json.loads(Path("results/example.json").read_text())
    example |= {"recording": None, "missing": "data/raw/dandiset/sub-Aa/a.nwb"}
    Path("results/example.json").write_text(json.dumps(example))
    build.run(params.load())
    assert "data/raw/dandiset/sub-Aa/a.nwb not found" in Path(html.OUTPUT).read_text()


def test_what_the_results_say_is_escaped(project):
    summary = json.loads(Path("results/summary.json").read_text())
    Path("results/summary.json").write_text(json.dumps(summary | {"missing": ["<b>recording</b> & more"]}))
    build.run(params.load())
    text = Path(html.OUTPUT).read_text()
    assert "&lt;b&gt;recording&lt;/b&gt; &amp; more." in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.500"), (-0.25, "\N{MINUS SIGN}0.250"), (-0.0001, "0.000"), (float("nan"), "\N{EN DASH}")],
)
def test_numbers_are_written_with_a_true_minus_and_no_negative_zero(value, text):
    assert html.format_number(value) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1e-6, "≤ 0.001"),
        (1 / 1001, "≤ 0.001"),
        (0.001, "≤ 0.001"),
        (0.002, "0.002"),
        (0.25, "0.250"),
        (float("nan"), "\N{EN DASH}"),
    ],
)
def test_p_values_at_the_floor_of_resampling_are_bounds(p, text):
    assert html.format_p(p) == text


def test_without_the_list_of_data_files_there_is_no_paper(project):
    Path("data/raw/manifest.json").unlink()
    with pytest.raises(DataError, match=r"manifest\.json is missing: run the stage acquire"):
        build.run(params.load())


# --- in a browser --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: the page is not tried in a browser (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, page):
    """The page, opened from its file; fails on a console message, an error in the script or a request."""
    faults: list[str] = []
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.on("console", lambda message: faults.append(message.text))
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("request", lambda request: request.url.startswith(("data:", "file:")) or faults.append(request.url))
    tab.goto(page.as_uri())
    yield tab
    tab.close()
    assert faults == []


def column(tab, table: str, index: int) -> list[str]:
    cells = tab.locator(f"#{table} tbody tr:not([hidden]) td:nth-child({index + 1})")
    return cells.all_inner_texts()


def test_tables_are_sorted_by_key_and_filtered(opened):
    names = [name.lower() for name in opened.locator("#predictivity-table thead th").all_inner_texts()]
    place = next(k for k, name in enumerate(names) if name.startswith("noise-corrected r"))
    head = opened.locator("#predictivity-table thead th").nth(place)
    head.locator("button").focus()
    for state, sign in (("ascending", 1), ("descending", -1)):
        opened.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == state
        shown = [float(text.replace("\N{MINUS SIGN}", "-")) for text in column(opened, "predictivity-table", place)]
        assert shown == sorted(shown, key=lambda value, sign=sign: sign * value)
    opened.select_option("#predictivity-area", "V4")
    assert set(column(opened, "predictivity-table", names.index(next(n for n in names if n.startswith("area"))))) == {
        "V4"
    }


def test_rdms_are_explored_with_keys_and_pointer(opened, page):
    rdm = data_of(page)["rdm"]
    reading = opened.locator("#rdm-reading")
    opened.focus("#rdm-model")
    opened.keyboard.press("Home")
    assert "Image 1 (face) and image 1 (face)" in reading.inner_text()
    opened.keyboard.press("End")
    assert "Image 24 (no category) and image 24 (no category)" in reading.inner_text()
    opened.keyboard.press("Shift+ArrowLeft")
    assert "Image 24 (no category) and image 14 (no category)" in reading.inner_text()
    box = opened.locator("#rdm-neural").bounding_box()
    cell = box["width"] / len(rdm["category"])
    opened.mouse.move(box["x"] + 2.5 * cell, box["y"] + 1.5 * cell)
    assert "Image 2 (face) and image 3 (face)" in reading.inner_text()
    assert "background-image: url" in opened.locator("#thumb-1").get_attribute("style")
    painted = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
    assert opened.eval_on_selector("#rdm-model", painted) > 50


def test_the_recording_is_walked_with_keys_and_choices(opened):
    reading = opened.locator("#example-reading")
    assert reading.inner_text().startswith("Fixation 1 of 3: 0 to 150 ms")
    opened.focus("#gaze")
    opened.keyboard.press("ArrowLeft")
    assert reading.inner_text().startswith("Fixation 3 of 3")
    assert "not selected" in reading.inner_text()
    opened.click("#example-step")
    opened.select_option("#example-image", "2")
    opened.select_option("#example-presentation", "1")
    assert reading.inner_text().startswith("Fixation 1 of 3")


def test_the_page_fits_a_phone(browser, page):
    tab = browser.new_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    tab.goto(page.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    sizes = tab.eval_on_selector_all(
        "p, td, button, select", "all => all.map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 12
    heights = tab.eval_on_selector_all(".controls select, .controls button", "all => all.map(e => e.offsetHeight)")
    assert min(heights) >= 40
    # What a table is about, and whose numbers a row holds, stay in view while the table is moved sideways.
    tab.eval_on_selector("#predictivity-table", "table => table.parentElement.scrollLeft = 200")
    places = "all => all.map(e => e.getBoundingClientRect()).map(box => [box.left, box.right])"
    for part in ("#predictivity-table caption span", "#predictivity-table td:first-child"):
        assert all(0 <= left < right <= 360 for left, right in tab.eval_on_selector_all(part, places))
    tab.close()


def test_figures_take_their_room_before_one_gets_there(opened):
    heights = opened.eval_on_selector_all("figure img", "all => all.map(e => e.offsetHeight)")
    assert len(heights) == len(draw.PLOTS)
    assert min(heights) > 100


def test_the_table_of_the_task_names_the_split_of_each_row(opened):
    names = [name.lower().split()[0] for name in opened.locator("#task-table thead th").all_inner_texts()]
    rows = list(zip(*(column(opened, "task-table", names.index(name)) for name in ("model", "split")), strict=True))
    assert len(rows) == len(set(rows))
    assert {"test", "train"} <= {split for _, split in rows}
