"use strict";
// Sorts and filters the tables; explores the two RDMs and the example recording by pointer, touch or keys.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const number = (x, digits) => (x < 0 ? "\u2212" : "") + Math.abs(x).toFixed(digits);

// --- tables ------------------------------------------------------------------

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      sortBy(table.tBodies[0], column, down ? -1 : 1);
    });
  });
}

function sortBy(body, column, sign) {
  const value = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent;
  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === "" || y === "") return (x === "") - (y === ""); // undefined scores stay at the bottom
    const gap = Number(x) - Number(y);
    return sign * (Number.isNaN(gap) ? x.localeCompare(y) : gap);
  };
  body.append(...[...body.rows].sort(compare));
}

for (const choice of document.querySelectorAll("select[data-filter]")) {
  const table = byId(choice.dataset.filter);
  const column = Number(choice.dataset.column);
  choice.addEventListener("change", () => {
    for (const row of table.tBodies[0].rows) {
      row.hidden = choice.value !== "" && row.cells[column].textContent !== choice.value;
    }
  });
}

// --- RDMs --------------------------------------------------------------------

function exploreRdms(rdm) {
  const n = rdm.category.length;
  const palette = bytes(rdm.palette);
  const views = ["model", "neural"].map((name) => ({
    canvas: byId(`rdm-${name}`),
    rank: bytes(rdm[name].percentile),
    value: new Int16Array(bytes(rdm[name].thousandths).buffer),
    picture: null,
  }));
  let at = [0, Math.min(n - 1, Math.floor(n / 2))];

  for (const view of views) {
    const picture = document.createElement("canvas");
    picture.width = picture.height = n;
    const image = new ImageData(n, n);
    view.rank.forEach((rank, k) => {
      const blank = rank === 255;
      for (let c = 0; c < 3; c++) image.data[4 * k + c] = blank ? 255 : palette[3 * rank + c];
      image.data[4 * k + 3] = 255;
    });
    picture.getContext("2d").putImageData(image, 0, 0);
    view.picture = picture;
    const move = (event) => {
      const box = view.canvas.getBoundingClientRect();
      const indexAt = (offset, size) => Math.max(0, Math.min(n - 1, Math.floor((n * offset) / size)));
      show(indexAt(event.clientY - box.top, box.height), indexAt(event.clientX - box.left, box.width));
    };
    view.canvas.addEventListener("pointermove", move);
    view.canvas.addEventListener("pointerdown", move);
    view.canvas.addEventListener("keydown", (event) => {
      const far = event.shiftKey ? 10 : 1;
      const steps = { ArrowUp: [-far, 0], ArrowDown: [far, 0], ArrowLeft: [0, -far], ArrowRight: [0, far] };
      const ends = { Home: [0, 0], End: [n - 1, n - 1] };
      if (event.key in ends) show(...ends[event.key]);
      else if (event.key in steps) show(...steps[event.key].map((step, k) => Math.max(0, Math.min(n - 1, at[k] + step))));
      else return;
      event.preventDefault();
    });
  }

  function draw(view) {
    const size = Math.round(view.canvas.clientWidth * (window.devicePixelRatio || 1)) || n;
    view.canvas.width = view.canvas.height = size;
    const pen = view.canvas.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.drawImage(view.picture, 0, 0, size, size);
    const cell = size / n;
    pen.strokeStyle = "#fff";
    pen.lineWidth = 1;
    for (const start of rdm.starts.slice(1)) {
      pen.strokeRect(start * cell, -1, size, size + 2);
      pen.strokeRect(-1, start * cell, size + 2, size);
    }
    pen.strokeStyle = "#d55e00";
    pen.lineWidth = Math.max(2, size / 250);
    pen.strokeRect(at[1] * cell - 1, at[0] * cell - 1, cell + 2, cell + 2);
  }

  function show(row, column) {
    at = [row, column];
    views.forEach(draw);
    at.forEach((image, k) => {
      const thumb = byId(`thumb-${k}`);
      thumb.setAttribute("aria-label", `image ${image + 1}, ${rdm.category[image]}`);
      thumb.style.backgroundImage = rdm.thumbnails[image] ? `url(${rdm.thumbnails[image]})` : "none";
    });
    const describe = (view, name) => {
      const k = row * n + column;
      if (view.rank[k] === 255) return `${name}: \u2013`;
      return `${name}: ${number(view.value[k] / 1000, 3)} (percentile ${Math.round((view.rank[k] / 254) * 100)})`;
    };
    byId("rdm-reading").textContent =
      `Image ${row + 1} (${rdm.category[row]}) and image ${column + 1} (${rdm.category[column]}). Dissimilarity to the ` +
      [describe(views[0], "network"), describe(views[1], "units")].join(", to the ") + ".";
  }

  window.addEventListener("resize", () => views.forEach(draw));
  show(...at);
}

// --- gaze and spikes ---------------------------------------------------------

function exploreExample(example) {
  const [image, presentation, step] = ["example-image", "example-presentation", "example-step"].map(byId);
  const [gaze, raster] = [byId("gaze"), byId("raster")];
  const AROUND = 1.2; // side of the drawn part of the screen, relative to the image
  const drawn = example.size_dva.map((side) => AROUND * side);
  let active = 0;

  example.images.forEach((shown, k) => image.add(new Option(`${shown.category}, ${shown.stem.slice(0, 8)}`, k)));
  const picture = new Image();
  picture.addEventListener("load", draw);

  function choose() {
    const shown = example.images[image.value];
    const count = shown.presentations.length;
    presentation.replaceChildren(...shown.presentations.map((_, k) => new Option(`${k + 1} of ${count}`, k)));
    picture.src = shown.picture ?? "data:image/gif;base64,R0lGODlhAQABAIAAAMzMzP///yH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==";
    pick(0);
  }

  function pick(fixation) {
    const shown = current().fixations;
    active = (fixation + shown.length) % shown.length;
    draw();
    const [x, y, start, stop, selected] = shown[active];
    const spikes = current().spikes.flat().filter((t) => t >= start && t < stop).length;
    byId("example-reading").textContent =
      `Fixation ${active + 1} of ${shown.length}: ${number(start, 0)} to ${number(stop, 0)} ms, at ` +
      `${number(x, 1)}, ${number(y, 1)} dva, ${spikes} spikes from ${example.units.length} units` +
      (selected ? "." : "; not selected for the analysis.");
  }

  const current = () => example.images[image.value].presentations[presentation.value];

  function fit(canvas, ratio) {
    const scale = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    canvas.style.aspectRatio = ratio;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round((width / ratio) * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    return [pen, width, width / ratio];
  }

  function draw() {
    drawGaze();
    drawRaster();
  }

  function drawGaze() {
    const [width, height] = drawn;
    const [pen, w, h] = fit(gaze, width / height);
    pen.fillStyle = example.screen;
    pen.fillRect(0, 0, w, h);
    const edge = (1 - 1 / AROUND) / 2;
    if (picture.complete && picture.naturalWidth) pen.drawImage(picture, edge * w, edge * h, w / AROUND, h / AROUND);
    const within = (value, size) => Math.max(11, Math.min(size - 11, value));
    const onCanvas = ([x, y]) => [within((x / width + 0.5) * w, w), within((0.5 - y / height) * h, h)];
    const points = current().fixations.map(onCanvas);
    for (const [colour, thick] of [["#fff", 4], ["#d55e00", 1.6]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = thick;
      pen.beginPath();
      points.forEach((p, k) => (k ? pen.lineTo(...p) : pen.moveTo(...p)));
      pen.stroke();
    }
    points.forEach(([x, y], k) => {
      pen.fillStyle = k === active ? "#0072b2" : "#d55e00";
      pen.strokeStyle = "#fff";
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(x, y, 10, 0, 7);
      pen.fill();
      pen.stroke();
      pen.fillStyle = "#fff";
      pen.font = "bold 11px sans-serif";
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.fillText(k + 1, x, y);
    });
  }

  function drawRaster() {
    const { fixations, spikes, window: [low, high] } = current();
    const [pen, w, h] = fit(raster, raster.clientWidth < 500 ? 1.1 : 1.5);
    const [left, foot, top] = [44, 34, 18];
    const across = (t) => left + ((t - low) / (high - low)) * (w - left - 6);
    const row = (h - foot - top) / spikes.length;
    pen.font = "11px sans-serif";
    pen.textAlign = "center";
    fixations.forEach(([, , start, stop], k) => {
      pen.fillStyle = k === active ? "#cfe3f3" : "#f0f0f0";
      pen.fillRect(across(start), top, across(stop) - across(start), h - foot - top);
      pen.fillStyle = "#1a1a1a";
      pen.fillText(k + 1, across((start + stop) / 2), 12);
    });
    let before = "";
    spikes.forEach((times, unit) => {
      const y = top + unit * row;
      pen.fillStyle = "#1a1a1a";
      for (const t of times) pen.fillRect(across(t) - 0.6, y + 0.1 * row, 1.3, 0.8 * row);
      if (example.units[unit].area !== before) {
        before = example.units[unit].area;
        pen.textAlign = "right";
        pen.fillText(before, left - 6, y + 10);
        pen.fillStyle = "#767676";
        pen.fillRect(left - 4, y, w - left - 2, 0.7);
      }
    });
    pen.fillStyle = "#1a1a1a";
    pen.textAlign = "center";
    const tick = high - low > 1500 ? 500 : 200;
    for (let t = Math.ceil(low / tick) * tick; t <= high; t += tick) {
      pen.fillRect(across(t), h - foot, 1, 4);
      pen.fillText(t, across(t), h - foot + 16);
    }
    pen.fillText("ms from the first fixation on the image", left + (w - left) / 2, h - 4);
  }

  function nearest(event) {
    const box = gaze.getBoundingClientRect();
    const [width, height] = drawn;
    const x = ((event.clientX - box.left) / box.width - 0.5) * width;
    const y = (0.5 - (event.clientY - box.top) / box.height) * height;
    const gaps = current().fixations.map(([fx, fy]) => Math.hypot(fx - x, fy - y));
    pick(gaps.indexOf(Math.min(...gaps)));
  }

  function during(event) {
    const box = raster.getBoundingClientRect();
    const [low, high] = current().window;
    const t = low + ((event.clientX - box.left - 44) / (box.width - 50)) * (high - low);
    const fixation = current().fixations.findIndex(([, , start, stop]) => t >= start && t < stop);
    if (fixation >= 0) pick(fixation);
  }

  for (const kind of ["pointermove", "pointerdown"]) {
    gaze.addEventListener(kind, nearest);
    raster.addEventListener(kind, during);
  }
  for (const canvas of [gaze, raster]) {
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
      if (!step) return;
      pick(active + step);
      event.preventDefault();
    });
  }
  image.addEventListener("change", choose);
  presentation.addEventListener("change", () => pick(0));
  step.addEventListener("click", () => pick(active + 1));
  window.addEventListener("resize", draw);
  choose();
}

if (data.rdm) exploreRdms(data.rdm);
if (data.example) exploreExample(data.example);
