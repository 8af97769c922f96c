// Charts of Vega-Lite whose cells can be pointed at, focused and walked with the arrow keys.

const FONT = 'system-ui, "Segoe UI", "DejaVu Sans", sans-serif';

/** Settings of every chart: colours are the page's own, so that a chart follows it into dark mode and print. */
function look() {
  const ink = "var(--ink)";
  const text = { labelColor: ink, titleColor: ink, labelFont: FONT, titleFont: FONT, labelFontSize: 12, titleFontSize: 12 };
  return {
    background: "transparent",
    axis: { ...text, titleFontWeight: "normal", domainColor: "var(--soft)", tickColor: "var(--soft)", gridColor: "var(--rule)", gridOpacity: 0.6 },
    header: { ...text, labelFontWeight: 600, titleFontSize: 0 },
    view: { stroke: "var(--rule)" },
    text: { font: FONT, color: ink },
  };
}

/** Break a name into lines of at most so many letters. */
function wrapped(text, most) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line && line.length + word.length >= most) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines;
}

/**
 * Draw a chart into a box. Marks of the layer "cell" say what their datum says in `says`; `place` gives its row and
 * column, by which the arrow keys go from cell to cell. With `tips`, what it says also stands beside the cell.
 */
async function drawChart(box, reading, specification, { label, says, place, tips = true }) {
  box.drawing = (box.drawing ?? 0) + 1;
  const turn = box.drawing;
  const target = document.createElement("div");
  const options = { ast: true, actions: false, renderer: "svg", config: look(), tooltip: false };
  await vegaEmbed(target, { $schema: "https://vega.github.io/schema/vega-lite/v6.json", ...specification }, options);
  if (turn !== box.drawing) return; // a later choice is being drawn
  const svg = target.querySelector("svg");
  for (const part of svg.querySelectorAll("[role], [aria-roledescription], [aria-hidden]")) {
    for (const name of ["role", "aria-roledescription", "aria-label", "aria-hidden"]) part.removeAttribute(name);
  }
  svg.setAttribute("role", "group");
  svg.setAttribute("aria-label", label);
  box.replaceChildren(svg);
  makeCells(svg, reading, says, place, tips);
  box.dataset.drawn = turn;
}

function makeCells(svg, reading, says, place, tips) {
  const cells = [...svg.querySelectorAll("g[class*=cell_marks] > path")];
  const at = (cell) => place(cell.__data__.datum);
  const tip = byId("tip");
  cells.sort((a, b) => at(a)[0] - at(b)[0] || at(a)[1] - at(b)[1]);
  const show = (cell) => {
    reading.textContent = says(cell.__data__.datum);
    if (!tips) return;
    const bounds = cell.getBoundingClientRect();
    tip.textContent = reading.textContent;
    tip.hidden = false;
    const left = Math.min(bounds.left, window.innerWidth - tip.offsetWidth - 8);
    const below = bounds.bottom + 6 + tip.offsetHeight < window.innerHeight;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${below ? bounds.bottom + 6 : bounds.top - 6 - tip.offsetHeight}px`;
  };
  const hide = () => (tip.hidden = true);
  const go = (cell, rows, columns) => {
    const [row, column] = at(cell);
    const ahead = cells
      .map((other) => [other, at(other)])
      .filter(([, [r, c]]) => (rows ? c === column && (r - row) * rows > 0 : r === row && (c - column) * columns > 0));
    ahead.sort(([, a], [, b]) => Math.abs(a[0] - row) + Math.abs(a[1] - column) - Math.abs(b[0] - row) - Math.abs(b[1] - column));
    if (!ahead.length) return;
    cells.forEach((other) => other.setAttribute("tabindex", "-1"));
    ahead[0][0].setAttribute("tabindex", "0");
    ahead[0][0].focus();
  };
  cells.forEach((cell, k) => {
    cell.classList.add("spot");
    cell.setAttribute("role", "img");
    cell.setAttribute("aria-label", says(cell.__data__.datum));
    cell.setAttribute("tabindex", k === 0 ? "0" : "-1"); // one stop of the Tab key for the whole chart
    cell.addEventListener("pointerenter", () => show(cell));
    cell.addEventListener("pointerleave", hide);
    cell.addEventListener("focus", () => show(cell));
    cell.addEventListener("blur", hide);
    cell.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (event.key === "Escape") hide();
      if (!step) return;
      event.preventDefault();
      go(cell, ...step);
    });
  });
  document.addEventListener("scroll", hide, { passive: true });
}

/** Say a score in words. */
function score(row, label) {
  const interval = row.low === null || row.high === null ? "" : ` (95 % CI ${number(row.low, 2)} to ${number(row.high, 2)})`;
  const rest = [row.layer && `layer: ${row.layer}`, row.n && `n = ${row.n}`, row.ceiling].filter(Boolean).join("; ");
  return `${row.model}, ${row.area}: ${label} ${number(row.value, 2)}${interval}; ${rest}.`;
}

/** The scale of scores: from the lowest to the highest end that is not far off, with 0 in view. */
function scaleOf(rows) {
  const values = rows.flatMap((row) => [row.value, row.low, row.high, row.floor, row.roof]).filter((x) => typeof x === "number");
  return [Math.max(-1, Math.min(0, ...values)), Math.min(1.25, Math.max(0.2, ...values))];
}
