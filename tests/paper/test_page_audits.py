"""The page against what Lighthouse audits, as far as it needs no network: access, good practice, search, speed."""

from pathlib import Path

import pytest

from tests.paper.test_page_browser import AXE, WIDTHS, browser, open_page  # noqa: F401 - the fixture

MOST_SHIFT = 0.1
"""Cumulative layout shift that counts as good (web.dev/cls)."""
MOST_ELEMENTS, DEEPEST, MOST_CHILDREN = 1400, 32, 60
"""Elements, depth and children of one element beyond which Lighthouse calls a page's structure excessive."""
LEAST_TARGET = 24
"""Pixels of a target on either side (WCAG 2.2, 2.5.8)."""
OBSERVE = """
window.shift = 0; window.painted = [];
new PerformanceObserver((list) => {
  for (const e of list.getEntries()) if (!e.hadRecentInput) window.shift += e.value;
}).observe({ type: "layout-shift", buffered: true });
new PerformanceObserver((list) => { for (const e of list.getEntries()) window.painted.push(e.name); })
  .observe({ type: "paint", buffered: true });
"""


@pytest.fixture(params=[(width, scheme) for width in WIDTHS for scheme in ("light", "dark")], ids=str)
def audited(browser, page, request):  # noqa: F811
    """The page at each width, light and dark; fails on a console message or an issue that Chromium reports."""
    width, scheme = request.param
    faults: list[str] = []
    options = {"viewport": {"width": width, "height": 850}, "color_scheme": scheme}
    context = browser.new_context(offline=True, **options)
    tab = context.new_page()
    tab.add_init_script(OBSERVE)
    session = context.new_cdp_session(tab)
    session.send("Audits.enable")
    session.on("Audits.issueAdded", lambda event: faults.append(event["issue"]["code"]))
    tab.on("console", lambda message: faults.append(message.text))
    tab.goto(page.as_uri())
    tab.wait_for_selector("#audit-chart[data-drawn]")
    yield tab
    context.close()
    assert faults == []  # deprecated APIs, quirks mode, blocked content, low contrast, ...


def test_nothing_moves_while_the_charts_are_drawn(audited):
    assert "first-contentful-paint" in audited.evaluate("window.painted")
    assert audited.evaluate("window.shift") < MOST_SHIFT


def test_the_structure_of_the_page_is_small(audited):
    sizes = audited.evaluate("""() => {
      const all = [...document.querySelectorAll("*")];
      const depth = (e) => e.parentElement ? 1 + depth(e.parentElement) : 1;
      return [all.length, Math.max(...all.map(depth)), Math.max(...all.map((e) => e.children.length))];
    }""")
    assert all(size <= most for size, most in zip(sizes, (MOST_ELEMENTS, DEEPEST, MOST_CHILDREN), strict=True)), sizes


def test_targets_are_large_enough_to_hit(audited):
    small = audited.eval_on_selector_all(
        "a, button, select, input, summary, canvas",
        """(all, least) => all.filter((e) => e.offsetParent && !e.classList.contains("skip")).filter((e) => {
          const box = e.getBoundingClientRect();
          return box.width < least || box.height < least;
        }).map((e) => e.outerHTML.slice(0, 100))""",
        LEAST_TARGET,
    )
    assert small == []


@pytest.mark.skipif(AXE is None, reason="axe-core is not installed (requirements-test.lock has it)")
def test_axe_finds_no_small_target_and_no_skipped_heading(audited):
    audited.evaluate((Path(AXE.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    rules = [
        "target-size",
        "heading-order",
        "image-alt",
        "document-title",
        "html-has-lang",
        "link-name",
        "meta-viewport",
    ]
    found = audited.evaluate("(rules) => axe.run({ runOnly: rules })", rules)
    assert [(one["id"], one["nodes"][0]["html"][:100]) for one in found["violations"]] == []


def test_every_control_has_a_name_and_none_jumps_the_order_of_focus(audited):
    names = audited.eval_on_selector_all(
        "button, select, input, [role=application], [role=img], [role=region]",
        "all => all.map((e) => (e.labels?.[0]?.textContent ?? e.getAttribute('aria-label') ?? e.textContent).trim())",
    )
    assert all(names)
    assert audited.locator("[tabindex]").evaluate_all("all => Math.max(...all.map((e) => e.tabIndex))") == 0


def test_pictures_have_alternative_and_size(audited):
    wanted = "all => all.filter((e) => !e.hasAttribute('alt') || !e.width || !e.height).map((e) => e.outerHTML)"
    assert audited.eval_on_selector_all("img", wanted) == []
    drawn = "all => all.filter((e) => e.width / e.height > 4 || e.height / e.width > 4).map((e) => e.id)"
    assert audited.eval_on_selector_all("canvas", drawn) == []


def test_a_table_is_built_when_it_is_opened(browser, page):  # noqa: F811
    faults: list[str] = []
    tab = open_page(browser, page.as_uri(), faults)
    assert tab.locator("td").count() == 0
    tab.eval_on_selector("#predictivity", "details => (details.open = true)")  # as a search in the page does
    tab.wait_for_selector("#predictivity-table th button")
    before = tab.locator("#predictivity-table th button").count()
    tab.click("#predictivity summary")
    tab.click("#predictivity summary")
    assert tab.locator("#predictivity-table th button").count() == before
    tab.context.close()
    assert faults == []


def test_the_head_says_what_search_engines_and_browsers_want(page):
    text = page.read_text(encoding="utf-8")
    head = text[: text.index("</head>")]
    assert text.lstrip().startswith("<!DOCTYPE html>")
    assert 0 <= text.encode().index(b'<meta charset="utf-8">') < 1024
    assert '<html lang="en-GB">' in head
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in head
    description = head.split('name="description" content="')[1].split('"')[0]
    assert 50 <= len(description) <= 300
    assert 10 <= len(head.split("<title>")[1].split("</title>")[0]) <= 100
    assert not {"user-scalable", "maximum-scale"} & set(head.replace("=", " ").replace('"', " ").split())


def test_scripts_use_nothing_that_browsers_warn_of(page):
    own = page.read_text(encoding="utf-8").rsplit("<script>", 1)[1]
    for name in ("document.write", "unload", "XMLHttpRequest", "keyCode", "execCommand", "alert(", "eval("):
        assert name not in own, name
