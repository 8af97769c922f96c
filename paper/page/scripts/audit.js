// The walk from the report's protocol to the corrected one.

function walkAudit({ labels, walks }) {
  const [choice, back, next, slider, box, reading] = ["score", "back", "next", "step", "chart", "reading"].map((name) => byId(`audit-${name}`));
  fill(choice, Object.entries(labels));
  const steps = () => walks[choice.value];
  let at = 0;

  function say(step, k) {
    const interval = step.low === null ? "" : ` (95 % CI ${number(step.low, 3)} to ${number(step.high, 3)})`;
    const verdict = step.decisive ? "" : " The interval includes zero.";
    return (
      `Step ${k + 1} of ${steps().length}, ${step.choice}. Report: ${step.report}. Corrected: ${step.corrected}. ` +
      `${labels[choice.value]} from ${number(step.before, 2)} to ${number(step.after, 2)}: ${number(step.change, 3)}${interval}.${verdict}`
    );
  }

  function go(to) {
    at = Math.max(0, Math.min(steps().length, to));
    slider.max = steps().length;
    slider.value = at;
    slider.setAttribute("aria-valuetext", at ? steps()[at - 1].choice : "the report\u2019s protocol");
    back.disabled = at === 0;
    next.disabled = at === steps().length;
    reading.textContent = at
      ? say(steps()[at - 1], at - 1)
      : `The report\u2019s protocol: ${labels[choice.value]} ${number(steps()[0].before, 2)}. ${steps().length} choices are corrected in turn.`;
    draw();
  }

  function draw() {
    const all = steps().map((step, k) => ({ ...step, k }));
    const shown = all.filter((step) => step.k < at);
    const ends = all.flatMap((step) => [step.before, step.after]);
    const narrow = box.clientWidth < 500;
    const x = { type: "quantitative", scale: { domain: [Math.min(0, ...ends), Math.max(0.1, ...ends)] }, axis: { title: labels[choice.value], tickCount: 5 } };
    const y = { field: "choice", type: "nominal", sort: all.map((step) => step.choice), title: null, scale: { domain: all.map((step) => step.choice) }, axis: { ticks: false, labelLimit: 130 } };
    const layer = [
      { mark: { type: "rule", color: "var(--soft)", strokeDash: [3, 3] }, encoding: { x: { ...x, datum: 0 } } },
      { mark: { type: "rule", color: "var(--soft)" }, encoding: { x: { ...x, datum: all[0].before } } },
      { mark: { type: "bar", height: { band: 0.7 }, color: "var(--band)" }, transform: [{ filter: `datum.k >= ${at}` }], encoding: { x: { ...x, field: "before" }, x2: { field: "after" }, y } },
      { data: { values: shown }, mark: { type: "bar", height: { band: 0.7 } }, encoding: { x: { ...x, field: "before" }, x2: { field: "after" }, y, color: { condition: { test: "datum.decisive", value: "var(--accent)" }, value: "var(--faint)" } } },
      { data: { values: shown }, mark: { type: "tick", color: "var(--ink)", thickness: 2, height: { band: 0.9 } }, encoding: { x: { ...x, field: "after" }, y } },
      { name: "cell", mark: { type: "rect", fill: "transparent", stroke: "transparent" }, encoding: { x: { value: 0 }, x2: { value: "width" }, y } },
    ];
    const specification = { data: { values: all }, width: Math.min(640, box.clientWidth - 160), height: { step: narrow ? 20 : 22 }, layer };
    return drawChart(box, reading, specification, {
      label: `Chart of ${labels[choice.value]} after ${at} of ${all.length} corrections`,
      says: (step) => say(step, step.k),
      place: (step) => [step.k, 0],
      tips: false,
    });
  }

  choice.addEventListener("change", () => go(at));
  back.addEventListener("click", () => go(at - 1));
  next.addEventListener("click", () => go(at + 1));
  slider.addEventListener("input", () => go(Number(slider.value)));
  onChange(draw);
  go(0);
}

if (data.audit) walkAudit(data.audit);
