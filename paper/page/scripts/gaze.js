// Gaze and spikes of the example recording.

function exploreExample(example) {
  const [image, presentation, step, play] = ["image", "presentation", "step", "play"].map((name) => byId(`example-${name}`));
  const [gaze, raster] = [byId("gaze"), byId("raster")];
  const AROUND = 1.2; // side of the drawn part of the screen, relative to the image
  const drawn = example.size_dva.map((side) => AROUND * side);
  const SLOWER = 4; // played at a quarter of the speed
  let active = 0;
  let playing = null; // time (ms) at which the play began, and that in the presentation
  let now = null; // time that the play has reached (ms)

  example.images.forEach((shown, k) => image.add(new Option(`${shown.category}, ${shown.stem.slice(0, 8)}`, k)));
  const picture = new Image();
  picture.addEventListener("load", draw);

  function halt() {
    playing = now = null;
    play.setAttribute("aria-pressed", "false");
    play.textContent = "Play";
  }

  function begin() {
    const [low] = current().window;
    playing = { began: performance.now(), from: low };
    play.setAttribute("aria-pressed", "true");
    play.textContent = "Pause";
    byId("example-reading").textContent = "Playing.";
    requestAnimationFrame(frame);
  }

  function frame(clock) {
    if (!playing) return;
    now = playing.from + Math.max(0, clock - playing.began) / SLOWER;
    if (now >= current().window[1]) {
      halt();
      pick(active);
      return;
    }
    const reached = current().fixations.findLastIndex(([, , start]) => start <= now);
    active = Math.max(0, reached);
    draw();
    requestAnimationFrame(frame);
  }

  function choose() {
    halt();
    const shown = example.images[image.value];
    const count = shown.presentations.length;
    presentation.replaceChildren(...shown.presentations.map((_, k) => new Option(`${k + 1} of ${count}`, k)));
    picture.src = shown.picture ?? "data:image/gif;base64,R0lGODlhAQABAIAAAMzMzP///yH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==";
    pick(0);
  }

  function pick(fixation) {
    halt();
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
      pen.fillStyle = colour(k === active ? "--now" : "--pause");
      pen.fillRect(across(start), top, across(stop) - across(start), h - foot - top);
      pen.fillStyle = colour("--ink");
      pen.fillText(k + 1, across((start + stop) / 2), 12);
    });
    let before = "";
    spikes.forEach((times, unit) => {
      const y = top + unit * row;
      pen.fillStyle = colour("--ink");
      for (const t of times) pen.fillRect(across(t) - 0.6, y + 0.1 * row, 1.3, 0.8 * row);
      if (example.units[unit].area !== before) {
        before = example.units[unit].area;
        pen.textAlign = "right";
        pen.fillText(before, left - 6, y + 10);
        pen.fillStyle = colour("--soft");
        pen.fillRect(left - 4, y, w - left - 2, 0.7);
      }
    });
    pen.fillStyle = colour("--ink");
    pen.textAlign = "center";
    const tick = high - low > 1500 ? 500 : 200;
    for (let t = Math.ceil(low / tick) * tick; t <= high; t += tick) {
      pen.fillRect(across(t), h - foot, 1, 4);
      pen.fillText(t, across(t), h - foot + 16);
    }
    if (now !== null) {
      pen.fillStyle = "#d55e00";
      pen.fillRect(across(now) - 1, top, 2, h - foot - top);
    }
    pen.fillStyle = colour("--ink");
    pen.fillText("ms from the first fixation on the image", left + (w - left) / 2, h - 4);
  }

  function nearest(event) {
    if (playing && event.type === "pointermove") return;
    const box = gaze.getBoundingClientRect();
    const [width, height] = drawn;
    const x = ((event.clientX - box.left) / box.width - 0.5) * width;
    const y = (0.5 - (event.clientY - box.top) / box.height) * height;
    const gaps = current().fixations.map(([fx, fy]) => Math.hypot(fx - x, fy - y));
    pick(gaps.indexOf(Math.min(...gaps)));
  }

  function during(event) {
    if (playing && event.type === "pointermove") return;
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
  play.addEventListener("click", () => (playing ? pick(active) : begin()));
  onChange(draw);
  choose();
}

if (data.example) exploreExample(data.example);
