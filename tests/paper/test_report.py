import hashlib
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pypdf
import pytest
import yaml

from analysis import params
from analysis.core import environment
from analysis.core.errors import DataError
from paper import build, draw, results
from tests.paper import tables
from tests.paper.prose import PAPERS, supplement_on_one_page, text_of_papers
from tests.project import ROOT

PAPER = ROOT / "paper"
RESULT_SECTIONS = ("abstract", "results", "origin", "limits", "approach", "nothing")
RESULT_SECTIONS += tuple(
    f"supplement/{name}" for name in ("results", "models", "audit", "explain", "recorded", "timing", "truth")
)


def make() -> str:
    """Build the paper in the working folder; return the text of the PDF on one line."""
    build.run(params.load())
    return text_of_papers()


@pytest.fixture(scope="module")
def built(drawn):
    """The project folder with the paper built, for tests that only read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(drawn)
        build.run(params.load())
    return drawn


def test_the_paper_says_that_its_data_are_simulated(built):
    text = text_of_papers(built)
    assert "The data analysed here are simulated." in text
    assert "All neurons in this paper are simulated unless they are called recorded" in text
    reader = pypdf.PdfReader(built / "paper/report.pdf")
    assert "simulated" in reader.metadata.subject
    for page in reader.pages[1:]:
        assert "simulated data" in page.extract_text().splitlines()[0]
    captions = re.findall(r"Figure S?\d+\. .*?Simulated data\.", text)
    assert len(captions) == len(json.loads((built / "paper/figures/alt.json").read_text()))


def test_no_code_or_placeholder_leaks_into_the_text(built):
    text = text_of_papers(built)
    text = text.replace("dfinalproject", "").lower()
    for trace in ("#", "float(", "score-of", " else ", "\\", "()"):
        assert trace not in text, trace
    assert not re.search(r"\bnan\b", text)


def test_the_sections_beyond_the_label_hold_the_numbers_of_their_tables(built):
    text = text_of_papers(built)
    table = pd.read_csv(built / "results/beyond_label.csv").query("model == 'hmo_report' and recording == 'all'")
    here = table[table.region == "AIT"].set_index("measure")
    for measure in ("rho_given_both", "r_face", "r2_unique_model"):
        row = here.loc[measure]
        assert f"{row.value:.3f} ({row.ci_low:.3f} to {row.ci_high:.3f})" in text
    assert f"{here.value['rho_reweighted']:.3f} if its components are weighted" in text
    assert f"{here.value['rho_fixed']:.3f} if all have the same weight" in text
    assert f"r within faces {' '.join(f'{value:.2f}' for value in table[table.measure == 'r_face'].value)}" in text
    assert "In AIT, a decoder of the units classifies 85.0 % of other images correctly" in text
    assert "the features of report HMO 75.0 %" in text.replace("the report HMO", "report HMO")
    assert "neurons of V1" not in text  # systems of other sizes are not set side by side


def test_the_paper_has_the_same_bytes_twice(project):
    make()
    first = [Path(paper).read_bytes() for paper in PAPERS]
    for paper in PAPERS:
        Path(paper).unlink()
    make()
    assert [Path(paper).read_bytes() for paper in PAPERS] == first


def test_the_colophon_prints_the_stamp_of_the_results_and_not_the_image(built):
    stamp = json.loads((built / "results/environment.json").read_text())
    text = text_of_papers(built)
    for value in ("Python 3.11", "torch 7.6.5+cpu", "numpy 9.8.7", stamp["cpu"], "MMX", "2 threads", "0123456789ab"):
        assert value in text
    assert "with numerics that are not fixed (native)" in text
    for value in stamp["image"].values():
        assert value not in text


def test_fixed_numerics_name_no_processor(project):
    stamp = json.loads(Path("results/environment.json").read_text())
    fixed = stamp | {"numerics": "fixed", "cpu": None, "instruction_set": None}
    Path("results/environment.json").write_text(json.dumps(fixed))
    text = make()
    assert "a processor with fixed numerics" in text
    assert stamp["cpu"] not in text


def test_results_of_another_environment_are_said_to_be(project, capsys):
    stamp = environment.stamp()
    there = stamp | {"device": "A graphics card", "cuda": "13.0", "driver": "580.1", "image": {"base": "other"}}
    Path("results/environment.json").write_text(json.dumps(there))
    assert "A graphics card (CUDA 13.0, driver 580.1)" in make()
    notes = capsys.readouterr().err.splitlines()
    assert notes == [
        f"note: the results were computed in another environment: {key}: {stamp[key]} here, {there[key]} there"
        for key in ("cuda", "device", "driver")
    ]
    build._compare_environments(environment.decisive(stamp))
    assert capsys.readouterr().err == ""


def test_numbers_in_the_text_follow_the_results(project):
    assert "0.777" not in make()
    layers = pd.read_csv("results/layers.csv")
    chosen = (layers.model == "hmo_report") & (layers.layer == "top") & (layers.region == "AIT")
    layers.loc[chosen, ["r_corrected", "r_corrected_low", "r_corrected_high"]] = 0.777, 0.712, 0.812
    layers.loc[chosen, "r2"] = 0.555
    layers.loc[(layers.model == "hmo_report") & (layers.layer == "best") & (layers.region == "AIT"), "r_corrected"] = (
        0.666
    )
    layers.to_csv("results/layers.csv", index=False)
    draw.run(params.load())
    text = make()
    assert text.count("0.666") >= 2  # abstract, text
    assert text.count("0.712 to 0.812") >= 1
    assert text.count("0.555") >= 3  # text, list of areas, table of protocols
    chosen = (layers.model == "pixels") & (layers.region == "AIT")
    layers.loc[chosen, ["r_corrected", "r_corrected_low", "r_corrected_high"]] = 0.9, 0.85, 0.95
    layers.to_csv("results/layers.csv", index=False)
    draw.run(params.load())
    assert "pixels reach 0.900 (0.850 to 0.950)" in make()


def test_tests_and_single_fixations_reach_the_text(project):
    text = supplement_on_one_page()
    assert re.search(r"report HMO in AIT has p ≤ 0\.001 after FWE correction .*? \(FDR- ?adjusted p = 0\.010\)", text)
    assert "Of the 24 pairs" in text
    assert re.search(r"HMO, zeroth fixations( 0\.23){6}", text)
    assert re.search(r"HMO, later fixations( 0\.35){6}", text)


def test_the_colophon_names_what_made_each_figure_and_table(built):
    text = text_of_papers(built)
    assert tables.says(text, "Figure 4 dvc repro figures: paper/plots/main/layers.py layers.csv, summary.json summary")
    assert re.search(r"Table S\d dvc repro report accuracy\.csv, layers\.csv, rsa\.csv, .*? summary", text)
    manifest = hashlib.sha256((built / "data/raw/manifest.json").read_bytes()).hexdigest()
    assert manifest[:16] in text


def test_real_data_that_are_incomplete_are_said_to_be(project, fabricate_results):
    shutil.rmtree("results")
    shutil.rmtree("paper/figures")
    fabricate_results(Path("results"), source="real", missing=("recordings of V4", "the images of one monkey"))
    values = yaml.safe_load(Path("params.yaml").read_text())
    values["acquire"]["source"] = "real"
    Path("params.yaml").write_text(yaml.safe_dump(values))
    draw.run(params.load())
    text = make()
    assert "Missing: recordings of V4 and the images of one monkey." in text
    assert "Recorded data, incomplete." in text
    assert "simulated" not in text.lower().replace("simulated experiment that", "").replace("source simulated", "")
    assert not Path("paper/figures/validation.svg").exists()
    assert "What the methods recover" not in text


def test_other_models_than_the_default_make_a_paper_too(project):
    summary = json.loads(Path("results/summary.json").read_text())
    summary["models"] = {"simple_cnn": summary["models"]["simple_cnn"]}
    Path("results/summary.json").write_text(json.dumps(summary))
    for name in ("accuracy", *(table for table in results.COLUMNS if "model" in results.COLUMNS[table].split())):
        table = pd.read_csv(f"results/{name}.csv")
        table[table.model == "simple_cnn"].to_csv(f"results/{name}.csv", index=False)
    draw.run(params.load())
    text = make()
    assert "plain CNN" in text
    assert "Protocol beside protocol" not in text


def test_without_any_compared_model_the_paper_says_so(project):
    shutil.rmtree("paper/figures")
    summary = json.loads(Path("results/summary.json").read_text())
    for model in summary["models"].values():
        model |= {"layers": [], "top_layer": None}
    missing = [f"recording sub-{i}" for i in range(20)]
    Path("results/summary.json").write_text(json.dumps(summary | {"missing": missing, "validation": None}))
    for name in results.COLUMNS:
        pd.read_csv(f"results/{name}.csv")[:0].to_csv(f"results/{name}.csv", index=False)
    draw.run(params.load())
    text = make()
    assert "There are no results." in text
    assert "No model could be compared with the available data." in text
    assert "and 13 more" in text


def test_undefined_scores_are_dashes(project):
    for name, columns in {
        "layers": ["r_corrected", "r_corrected_low", "r_corrected_high", "r2", "r2_low", "r2_high", "ceiling"],
        "rsa": ["rho", "ci_low", "ci_high"],
    }.items():
        table = pd.read_csv(f"results/{name}.csv")
        table[columns] = None
        table.to_csv(f"results/{name}.csv", index=False)
    draw.run(params.load())
    text = make()
    assert "noise-corrected r of undefined" in text
    assert "nan" not in text.lower().split()


def test_a_missing_figure_is_named_and_the_old_paper_kept(project):
    make()
    before = Path("paper/report.pdf").read_bytes()
    Path("paper/figures/geometry.svg").unlink()
    with pytest.raises(DataError, match=r"paper/figures/geometry\.svg not found: run the stage figures"):
        build.run(params.load())
    assert Path("paper/report.pdf").read_bytes() == before


def test_a_missing_key_is_one_line_that_names_it(project):
    summary = json.loads(Path("results/summary.json").read_text())
    del summary["data"]["fixations_selected"]
    Path("results/summary.json").write_text(json.dumps(summary))
    with pytest.raises(DataError) as error:
        build.run(params.load())
    wrong = r"results/summary\.json is damaged \(no data\.fixations_selected\): run the stage summary again"
    assert re.search(wrong, str(error.value))
    assert "\n" not in str(error.value)
    assert not Path("paper/report.pdf").exists()
    assert not list(Path("paper").glob(".*"))


def test_a_missing_row_is_one_line_that_names_it(project):
    table = pd.read_csv("results/accuracy.csv")
    table[table.model != "pixels"].to_csv("results/accuracy.csv", index=False)
    with pytest.raises(DataError, match=r"results/accuracy\.csv is damaged \(no row with model = pixels, split = test"):
        draw.run(params.load())


def test_models_keep_the_order_in_which_they_run(fabricated):
    # summary.json sorts its keys, in which as_reported comes first
    assert results.read(fabricated).models == ["hmo_report", "as_reported", "simple_cnn", "pixels"]


def test_roles_of_the_models(fabricated):
    assert results.read(fabricated).roles() == {
        "first": "hmo_report",
        "report": "as_reported",
        "twin": "hmo_report",
        "baseline": "pixels",
    }


# --- no number of the results is typed by hand ---------------------------------------------------

NUMBER_WORDS = "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred|thousand"
COUNTED = "recordings?|units?|images?|faces?|monkeys?|areas?|fixations?|layers?|models?|columns?"


def typed_numbers(source: str) -> list[str]:
    """Return the numbers that stand in the text or code of a section, other than in names, labels and citations."""
    source = re.sub(r"//[^\n]*", "", source)
    source = re.sub(r"@[\w-]+|<[\w-]+>", "", source)  # citations, references and labels
    words = re.findall(rf"\b(?:{NUMBER_WORDS})\s+(?:{COUNTED})\b", source, re.IGNORECASE)
    bare = re.sub(r"[A-Za-z_][\w-]*", " ", source)  # names such as V1 and r2
    return re.findall(r"\d[\d.]*", bare) + words


@pytest.mark.parametrize("section", RESULT_SECTIONS)
def test_result_sections_hold_no_typed_number(section):
    assert typed_numbers((PAPER / f"sections/{section}.typ").read_text()) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("a median of 0.48 in V1 @yamins2014", ["0.48"]),
        ("#score(x.r2) of 35 units", ["35"]),
        ("We recorded six areas <fig1>", ["six areas"]),
        ("#fixed(x, 3)", ["3"]),
        ("r2 and V4 of #score(top.ci_low) // 12", []),
    ],
)
def test_the_check_for_typed_numbers_finds_them(source, found):
    assert typed_numbers(source) == found


def test_all_references_are_cited_and_have_an_address():
    entries = re.split(r"\n(?=@)", (PAPER / "refs.bib").read_text())
    sources = [*(PAPER / "sections").rglob("*.typ"), PAPER / "recorded/prose.typ"]
    cited = set(re.findall(r"@([\w-]+)", "".join(source.read_text() for source in sources)))
    for entry in entries:
        key = re.match(r"@\w+\{(\w+),", entry)[1]
        assert key in cited, f"{key} is not cited"
        assert "doi" in entry or "url" in entry or key == "yamins2013"


def test_citation_file_names_what_the_work_rests_on():
    citation = yaml.safe_load((PAPER.parent / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    dois = {reference.get("doi") for reference in citation["references"]}
    assert {"10.1073/pnas.1403112111", "10.1038/s41593-024-01631-5", "10.48324/dandi.000628/0.230922.1642"} <= dois
    assert any(reference["title"] == "Neural Neural Networks" for reference in citation["references"])


def test_scores_of_few_single_fixations_are_not_printed(fabricated, tmp_path):
    shutil.copytree(fabricated, tmp_path / "results")
    path = tmp_path / "results/fixations.csv"
    table = pd.read_csv(path)
    table.loc[table.part == "zeroth", "n_fixations"] = 49
    table.to_csv(path, index=False)
    assert list(results.read(tmp_path / "results").single_fixations()["hmo_report"]) == ["later"]
    assert set(results.read(fabricated).single_fixations()["hmo_report"]) == {"zeroth", "later"}
