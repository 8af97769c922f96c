// The picture of the finding: areas by models.

function exploreScores(sets, measures) {
  const [set, measure, box, reading] = ["scores-set", "scores-measure", "scores-chart", "scores-reading"].map(byId);
  fill(set, sets.map((one) => [one.key, one.title]));
  const current = () => sets.find((one) => one.key === set.value);

  function choose() {
    const before = measure.value;
    const known = Object.entries(measures).filter(([name]) => current().scores.some((row) => row.measure === name));
    fill(measure, known);
    if (known.some(([name]) => name === before)) measure.value = before;
    draw();
  }

  function draw() {
    const rows = current().scores.filter((row) => row.measure === measure.value);
    const areas = current().areas.filter((area) => rows.some((row) => row.area === area));
    const models = distinct(rows.map((row) => row.model));
    const label = measures[measure.value];
    const narrow = box.clientWidth < 500;
    const names = narrow ? 96 : 170;
    const cell = Math.min(420, Math.max(30, Math.floor((box.clientWidth - names - 24) / areas.length) - 4));
    const domain = scaleOf(rows);
    const x = { type: "quantitative", scale: { domain, nice: false }, axis: { title: null, grid: false, values: ticksOf(domain), format: "~g", labelFlush: true, labelExpr: "replace(datum.label, '0.', '.')" } };
    const y = { field: "model", type: "nominal", sort: models, title: null, axis: { ticks: false, domain: false, labelLimit: names - 6, labelFontSize: narrow ? 11 : 12, labelExpr: narrow ? wrapExpression(models, 14) : "datum.label" } };
    const paint = { field: "kind", type: "nominal", legend: null };
    const layer = [
      { mark: { type: "bar", color: "var(--band)", height: { band: 0.9 }, clip: true }, transform: [{ filter: "isValid(datum.floor) && isValid(datum.roof)" }], encoding: { x: { ...x, field: "floor" }, x2: { field: "roof" }, y } },
      { mark: { type: "rule", color: "var(--soft)", strokeDash: [3, 3] }, encoding: { x: { ...x, datum: 0 } } },
      { mark: { type: "rule", color: "var(--ink)", strokeWidth: 1.6, clip: true }, transform: [{ filter: "isValid(datum.low) && isValid(datum.high)" }], encoding: { x: { ...x, field: "low" }, x2: { field: "high" }, y } },
      { mark: { type: "point", filled: true, size: narrow ? 40 : 64, opacity: 1, stroke: "var(--ink)", strokeWidth: 0.8, clip: true }, encoding: { x: { ...x, field: "value" }, y, color: { ...paint, scale: { domain: KINDS, range: KIND_COLOURS } }, shape: { ...paint, scale: { domain: KINDS, range: ["circle", "square", "diamond"] } } } },
      { name: "cell", mark: { type: "rect", fill: "transparent", stroke: "transparent" }, encoding: { x: { value: 0 }, x2: { value: "width" }, y } },
    ];
    const header = { labelOrient: "top", labelFontSize: 12, title: null };
    const specification = {
      data: { values: rows },
      facet: { column: { field: "area", type: "nominal", sort: areas, header, title: null } },
      spacing: 4,
      spec: { width: cell, height: { step: narrow ? 32 : 26 }, layer },
    };
    reading.textContent = `${current().title}: ${label}. ${rows.length} scores of ${models.length} models in ${areas.join(", ")}.`;
    return drawChart(box, reading, specification, {
      label: `Chart of ${label}: ${models.length} models in ${areas.join(", ")}, ${current().title}`,
      says: (row) => score(row, label),
      place: (row) => [models.indexOf(row.model), areas.indexOf(row.area)],
    });
  }

  set.addEventListener("change", choose);
  measure.addEventListener("change", draw);
  onChange(draw);
  choose();
}

/** A few round numbers, which fit into a narrow panel. */
const ticksOf = ([low, high]) => [-1, -0.5, 0, ...(high < 0.5 ? [0.2] : [0.5, 1])].filter((x) => x >= low && x <= high);

const KINDS = ["trained network", "not trained", "labels alone"];
const KIND_COLOURS = ["#0072B2", "#E69F00", "#CC79A7"];

/** An expression of Vega that breaks the names of models into lines. */
function wrapExpression(names, most) {
  const lines = Object.fromEntries(names.map((name) => [name, wrapped(name, most)]));
  return `(${JSON.stringify(lines)})[datum.label]`;
}

if (data.sets.length) exploreScores(data.sets, Object.fromEntries(data.measures));
