"""The page in a browser without a network: each control does what it says, at three widths, light and dark."""

import csv
import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from paper import vega
from tests.project import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
QUIET += ["--disable-sync", "--no-first-run"]
WIDTHS = (1280, 768, 390)
AXE = importlib.util.find_spec("axe_playwright_python")


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


def open_page(browser, address: str, faults: list, **options):
    """Open a page offline, its charts drawn; collect console messages, errors in the script and requests."""
    context = browser.new_context(offline=True, **options)
    tab = context.new_page()
    tab.on("console", lambda message: faults.append(message.text))
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("request", lambda request: request.url.startswith(("data:", "file:", "blob:")) or faults.append(request.url))
    tab.goto(address)
    return tab


@pytest.fixture(params=[(width, scheme) for width in WIDTHS for scheme in ("light", "dark")], ids=str)
def everywhere(browser, page, request):
    """The page at each width, light and dark; fails on a console message, an error in the script or a request."""
    width, scheme = request.param
    faults: list[str] = []
    tab = open_page(browser, page.as_uri(), faults, viewport={"width": width, "height": 850}, color_scheme=scheme)
    tab.wait_for_selector("#audit-chart[data-drawn]")
    yield tab
    tab.context.close()
    assert faults == []


@pytest.fixture
def opened(browser, page):
    """The page at 1280 pixels; fails as `everywhere`."""
    faults: list[str] = []
    tab = open_page(browser, page.as_uri(), faults, viewport={"width": 1280, "height": 900}, accept_downloads=True)
    tab.wait_for_selector("#audit-chart[data-drawn]")
    yield tab
    tab.context.close()
    assert faults == []


def data_of(page: Path) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(), re.DOTALL)[1])


def drawn_again(tab, chart: str, act) -> None:
    """Act, and wait until the chart is drawn anew."""
    before = tab.get_attribute(f"#{chart}", "data-drawn")
    act()
    tab.wait_for_selector(f'#{chart}:not([data-drawn="{before}"])')


# --- at every width, light and dark --------------------------------------------------------------


def test_nothing_is_cut_off_or_too_small(everywhere):
    width = everywhere.viewport_size["width"]
    assert everywhere.evaluate("document.documentElement.scrollWidth") <= width
    size = "all => all.filter(e => e.offsetParent).map(e => parseFloat(getComputedStyle(e).fontSize))"
    assert min(everywhere.eval_on_selector_all("p, td, button, select, output, a", size)) >= 11
    scaled = "all => all.map(e => parseFloat(getComputedStyle(e).fontSize) * e.ownerSVGElement.getScreenCTM().a)"
    assert min(everywhere.eval_on_selector_all(".chart text", scaled)) >= 9
    heights = "all => all.filter(e => e.offsetParent).map(e => e.offsetHeight)"
    assert min(everywhere.eval_on_selector_all(".controls select, .controls button", heights)) >= 40


def test_charts_stay_in_their_box_and_hold_something(everywhere):
    boxes = "all => all.map(e => [e.getBoundingClientRect().right, e.querySelectorAll('.spot').length])"
    for right, cells in everywhere.eval_on_selector_all(".chart svg", boxes):
        assert right <= everywhere.viewport_size["width"]
        assert cells > 0


def test_text_of_charts_contrasts_with_the_ground(everywhere):
    contrast = """all => all.map(e => {
      const light = (text) => {
        const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const [a, b] = [light(getComputedStyle(e).fill), light(getComputedStyle(document.body).backgroundColor)].sort((x, y) => y - x);
      return (a + 0.05) / (b + 0.05);
    })"""  # noqa: E501
    assert min(everywhere.eval_on_selector_all(".chart text", contrast)) >= 4.5


@pytest.mark.skipif(AXE is None, reason="axe-core is not installed (requirements-test.lock has it)")
def test_axe_finds_nothing_serious(everywhere):
    if everywhere.viewport_size["width"] == 390:  # the tables are the same at all widths, and take most of the time
        everywhere.eval_on_selector_all("details", "all => all.forEach(e => (e.open = true))")
    everywhere.evaluate((Path(AXE.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = everywhere.evaluate("axe.run()")
    assert len(found["passes"]) > 20
    assert [(one["id"], one["impact"], one["nodes"][0]["html"][:150]) for one in found["violations"]] == []


# --- each control --------------------------------------------------------------------------------


def test_the_picture_switches_data_set_and_measure(opened, page):
    sets = {one["key"]: one for one in data_of(page)["sets"]}
    reading = opened.locator("#scores-reading")
    assert reading.inner_text().startswith("Simulated experiment: noise-corrected r of single units.")
    drawn_again(opened, "scores-chart", lambda: opened.select_option("#scores-measure", "rho"))
    assert reading.inner_text().startswith("Simulated experiment: Spearman’s ρ of the RDMs.")
    drawn_again(opened, "scores-chart", lambda: opened.select_option("#scores-set", "v4"))
    assert reading.inner_text().startswith("Cowley et al. 2023: noise-corrected r of single units.")
    shown = [row for row in sets["v4"]["scores"] if row["measure"] == "r_corrected"]
    assert opened.locator("#scores-chart .spot").count() == len(shown)


def test_a_cell_says_its_score_interval_number_and_ceiling(opened, page):
    row = next(row for row in data_of(page)["sets"][0]["scores"] if row["measure"] == "rho" and row["area"] == "V2")
    drawn_again(opened, "scores-chart", lambda: opened.select_option("#scores-measure", "rho"))
    cell = opened.locator(f'#scores-chart .spot[aria-label^="{row["model"]}, V2:"]')
    cell.hover()
    said = opened.locator("#scores-reading").inner_text()
    minus = "\N{MINUS SIGN}"
    value, low, high = (f"{row[name]:.2f}".replace("-", minus) for name in ("value", "low", "high"))
    assert said == (
        f"{row['model']}, V2: Spearman’s ρ of the RDMs {value} (95 % CI {low} to {high}); "
        f"layer: {row['layer']}; n = 1 recording; noise ceiling 0.60 to 0.70."
    )
    assert opened.locator("#tip").inner_text() == said
    opened.mouse.move(2, 2)
    assert opened.locator("#tip").is_hidden()


def test_the_picture_is_walked_with_arrow_keys(opened):
    focused = lambda: opened.evaluate("document.activeElement.getAttribute('aria-label')")  # noqa: E731
    opened.focus("#scores-measure")
    opened.keyboard.press("Tab")
    first = focused()
    assert ", V1: noise-corrected r" in first
    opened.keyboard.press("ArrowRight")
    assert focused().split(", V2: ")[0] == first.split(", V1: ")[0]
    assert opened.locator("#scores-reading").inner_text() == focused()
    assert opened.locator("#tip").is_visible()
    opened.keyboard.press("ArrowDown")
    assert ", V2: " in focused()
    assert focused().split(", V2: ")[0] != first.split(", V1: ")[0]
    opened.keyboard.press("ArrowUp")
    opened.keyboard.press("ArrowLeft")
    assert focused() == first
    opened.keyboard.press("Tab")  # the chart is one stop
    assert opened.evaluate("document.activeElement.id") == "layers-set"


def test_layers_follow_the_model_and_the_data_set(opened, page):
    drawn_again(opened, "layers-chart", lambda: opened.select_option("#layers-model", "plain CNN"))
    cells = opened.locator("#layers-chart .spot")
    own = [row for row in data_of(page)["sets"][0]["layers"] if row["model"] == "plain CNN"]
    assert cells.count() == len(own)
    cells.first.focus()
    opened.keyboard.press("ArrowRight")
    assert "layer: conv2" in opened.locator("#layers-reading").inner_text()
    drawn_again(opened, "layers-chart", lambda: opened.select_option("#layers-set", "v4"))
    assert opened.locator("#layers-reading").inner_text() == (
        "Cowley et al. 2023, plain CNN: noise-corrected r of single units, 3 layers in V4."
    )


def test_the_audit_is_walked_step_by_step(opened):
    reading = opened.locator("#audit-reading")
    assert reading.inner_text().startswith("The report’s protocol: median r² −1.00. 2 choices")
    assert opened.locator("#audit-back").is_disabled()
    drawn_again(opened, "audit-chart", lambda: opened.click("#audit-next"))
    assert reading.inner_text().startswith("Step 1 of 2, match to images. Report: image of the row")
    assert "from −1.00 to −0.75: 0.250 (95 % CI 0.100 to 0.400)" in reading.inner_text()
    opened.focus("#audit-step")
    drawn_again(opened, "audit-chart", lambda: opened.keyboard.press("ArrowRight"))
    assert reading.inner_text().startswith("Step 2 of 2, regression.")
    assert reading.inner_text().endswith("The interval includes zero.")
    assert opened.locator("#audit-next").is_disabled()
    drawn_again(opened, "audit-chart", lambda: opened.click("#audit-back"))
    assert reading.inner_text().startswith("Step 1 of 2")


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
    box = opened.locator("#rdm-labels").bounding_box()
    cell = box["width"] / len(rdm["category"])
    opened.mouse.move(box["x"] + 20.5 * cell, box["y"] + 1.5 * cell)
    assert "Image 2 (face) and image 21 (no category)" in reading.inner_text()
    assert "Different categories" in reading.inner_text()
    assert "background-image: url" in opened.locator("#thumb-1").get_attribute("style")
    painted = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
    assert opened.eval_on_selector("#rdm-model", painted) > 50


def test_another_model_has_another_rdm(opened):
    picture = "document.getElementById('rdm-model').toDataURL()"
    before, said = opened.evaluate(picture), opened.locator("#rdm-reading").inner_text()
    opened.select_option("#rdm-choice", label="pixels")
    assert opened.evaluate(picture) != before
    assert opened.locator("#rdm-reading").inner_text() != said
    assert opened.locator("#rdm-model-name").inner_text() == "pixels, pixels"


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


def test_the_recording_plays_pauses_and_ends(opened):
    play, raster = opened.locator("#example-play"), "document.getElementById('raster').toDataURL()"
    before = opened.evaluate(raster)
    play.click()
    assert (play.inner_text(), play.get_attribute("aria-pressed")) == ("Pause", "true")
    opened.wait_for_timeout(300)
    assert opened.evaluate(raster) != before
    play.click()
    assert (play.inner_text(), play.get_attribute("aria-pressed")) == ("Play", "false")
    play.click()
    opened.wait_for_selector('#example-play[aria-pressed="false"]', timeout=10_000)
    assert opened.locator("#example-reading").inner_text().startswith("Fixation 3 of 3")


def column(tab, table: str, index: int) -> list[str]:
    return tab.locator(f"#{table} tbody tr:not([hidden]) td:nth-child({index + 1})").all_inner_texts()


def test_tables_are_sorted_by_key_filtered_and_saved(opened, tmp_path):
    assert opened.locator("#predictivity-table").is_hidden()
    opened.click("#predictivity summary")
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
    area = next(k for k, name in enumerate(names) if name.startswith("area"))
    assert set(column(opened, "predictivity-table", area)) == {"V4"}
    with opened.expect_download() as saved:
        opened.click('button[data-save="predictivity-table"]')
    assert saved.value.suggested_filename == "predictivity.csv"
    saved.value.save_as(tmp_path / "saved.csv")
    rows = list(csv.DictReader((tmp_path / "saved.csv").open(encoding="utf-8")))
    assert {row["area"] for row in rows} == {"V4"}
    assert [f"{float(row['noise-corrected r']):.3f}" for row in rows] == [
        text.replace("\N{MINUS SIGN}", "-") for text in column(opened, "predictivity-table", place)
    ]


def test_the_numbers_of_a_table_are_in_view_on_a_phone(browser, page):
    tab = browser.new_page(viewport={"width": 390, "height": 740}, has_touch=True, is_mobile=True)
    tab.goto(page.as_uri())
    tab.tap("#predictivity summary")
    box = tab.locator("#predictivity-table tbody tr:first-child td:nth-child(4)").bounding_box()
    assert box["x"] + box["width"] <= 390
    tab.eval_on_selector("#predictivity-table", "table => table.parentElement.scrollLeft = 200")
    places = "all => all.map(e => e.getBoundingClientRect()).map(box => [box.left, box.right])"
    for part in ("#predictivity-table caption span", "#predictivity-table td:first-child"):
        assert all(0 <= left < right <= 390 for left, right in tab.eval_on_selector_all(part, places))
    tab.close()


def test_print_leaves_out_what_cannot_be_used_on_paper(opened):
    opened.emulate_media(media="print", color_scheme="dark")
    for part in ("nav", ".controls", "details:not([open])"):
        assert all(opened.eval_on_selector_all(part, "all => all.map(e => getComputedStyle(e).display === 'none')"))
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert opened.locator("#scores-chart svg").is_visible()


def test_the_table_of_the_task_names_the_split_of_each_row(opened):
    opened.click("#task summary")
    names = [name.lower().split()[0] for name in opened.locator("#task-table thead th").all_inner_texts()]
    rows = list(zip(*(column(opened, "task-table", names.index(name)) for name in ("model", "split")), strict=True))
    assert len(rows) == len(set(rows))
    assert {"test", "train"} <= {split for _, split in rows}


# --- the plots of DVC ----------------------------------------------------------------------------


def test_the_plots_of_dvc_are_drawn_without_a_network(browser, drawn, tmp_path, monkeypatch):
    folder = tmp_path / "project"
    shutil.copytree(drawn, folder)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    subprocess.run(["dvc", "init", "--no-scm", "--quiet"], cwd=folder, check=True)
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots", dirs_exist_ok=True)
    subprocess.run(["dvc", "config", "core.no_scm", "true"], cwd=folder, check=True)
    assert (folder / "paper/figures/plots.html").read_text() == vega.dvc_page()
    subprocess.run(["dvc", "plots", "show"], cwd=folder, check=True, capture_output=True)
    faults: list[str] = []
    tab = open_page(browser, (folder / "dvc_plots/index.html").as_uri(), faults)
    tab.wait_for_function("document.querySelectorAll('svg.marks').length === 3")
    counts = tab.eval_on_selector_all("svg.marks", "all => all.map(e => e.querySelectorAll('.role-mark path').length)")
    assert min(counts) >= 18  # at least a mark for each of three models in six areas
    tab.context.close()
    assert faults == []
