// The RDMs of a model, of the units and of the categories, linked.

function exploreRdms(rdm) {
  const n = rdm.category.length;
  const palette = bytes(rdm.palette);
  const choice = byId("rdm-choice");
  fill(choice, rdm.models.map((model, k) => [k, model.name]));
  const views = ["model", "neural", "labels"].map((name) => ({ name, canvas: byId(`rdm-${name}`) }));
  let at = [0, Math.min(n - 1, Math.floor(n / 2))];

  function load(view, matrix) {
    view.rank = bytes(matrix.percentile);
    view.value = new Int16Array(bytes(matrix.thousandths).buffer);
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
  }

  function choose() {
    const model = rdm.models[choice.value];
    load(views[0], model);
    byId("rdm-model-name").textContent = `${model.name}, ${model.layer}`;
    show(...at);
  }

  for (const view of views) {
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
      [describe(views[0], "model"), describe(views[1], "units")].join(", to the ") +
      `. ${rdm.category[row] === rdm.category[column] ? "Same category" : "Different categories"}. ` +
      `\u03c1 of model and units: ${number(rdm.models[choice.value].rho, 3)}.`;
  }

  choice.addEventListener("change", choose);
  onChange(() => views.forEach(draw));
  load(views[1], rdm.neural);
  load(views[2], rdm.labels);
  choose();
}

if (data.rdm) exploreRdms(data.rdm);
