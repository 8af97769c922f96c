// Layers of one model in every area.

function exploreLayers(sets, measures) {
  const [set, model, box, reading] = ["layers-set", "layers-model", "layers-chart", "layers-reading"].map(byId);
  fill(set, sets.map((one) => [one.key, one.title]));
  const current = () => sets.find((one) => one.key === set.value);

  function choose() {
    const before = model.value;
    const known = distinct(current().layers.map((row) => row.model));
    fill(model, known.map((name) => [name, name]));
    if (known.includes(before)) model.value = before;
    draw();
  }

  function draw() {
    const rows = current().layers.filter((row) => row.model === model.value);
    const areas = current().areas.filter((area) => rows.some((row) => row.area === area));
    const depth = new Map(rows.map((row) => [row.layer, row.depth]));
    const layers = [...depth.keys()].sort((a, b) => depth.get(a) - depth.get(b));
    const label = measures[rows[0].measure];
    const wide = Math.max(34, Math.floor((box.clientWidth - 62) / areas.length) - 6);
    const domain = scaleOf(current().layers);
    const x = { field: "layer", type: "ordinal", sort: layers, title: null, scale: { padding: 0.3 }, axis: { labelAngle: -90, labelOverlap: false } };
    const y = { type: "quantitative", scale: { domain }, axis: { title: wrapped(label, 24), tickCount: 5 } };
    const layer = [
      { mark: { type: "area", color: "var(--faint)", opacity: 0.8, clip: true }, transform: [{ filter: "isValid(datum.low) && isValid(datum.high)" }], encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" } } },
      { mark: { type: "line", color: "var(--accent)", clip: true }, encoding: { x, y: { ...y, field: "value" } } },
      { mark: { type: "point", filled: true, color: "var(--accent)", opacity: 1, size: 40, clip: true }, encoding: { x, y: { ...y, field: "value" } } },
      { name: "cell", mark: { type: "bar", fill: "transparent", stroke: "transparent", width: { band: 1 } }, encoding: { x, y: { value: 0 }, y2: { value: "height" } } },
    ];
    const specification = {
      data: { values: rows },
      facet: { column: { field: "area", type: "nominal", sort: areas, title: null, header: { title: null } } },
      spacing: 6,
      spec: { width: Math.min(wide, 60 * layers.length), height: 220, layer },
    };
    reading.textContent = `${current().title}, ${model.value}: ${label}, ${layers.length} layers in ${areas.join(", ")}.`;
    return drawChart(box, reading, specification, {
      label: `Chart of ${label} by layer of ${model.value} in ${areas.join(", ")}, ${current().title}`,
      says: (row) => score(row, label),
      place: (row) => [0, areas.indexOf(row.area) * layers.length + layers.indexOf(row.layer)],
    });
  }

  set.addEventListener("change", choose);
  model.addEventListener("change", draw);
  onChange(draw);
  choose();
}

const withLayers = data.sets.filter((one) => one.layers.length);
if (withLayers.length) exploreLayers(withLayers, Object.fromEntries(data.measures));
