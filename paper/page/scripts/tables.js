// Builds each table when it is first opened, since thousands of cells would slow the page; sorts and filters the tables,
// and saves them as CSV.

for (const details of document.querySelectorAll("details")) {
  details.querySelector("summary").addEventListener("click", () => build(details));
  details.addEventListener("toggle", () => build(details)); // opened by a search in the page, say
}

function build(details) {
  const template = details.querySelector("template");
  if (template === null) return;
  template.replaceWith(template.content);
  makeSortable(details.querySelector("table"));
}

function makeSortable(table) {
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
  const column = Number(choice.dataset.column);
  choice.addEventListener("change", () => {
    for (const row of byId(choice.dataset.filter).tBodies[0].rows) {
      row.hidden = choice.value !== "" && row.cells[column].textContent !== choice.value;
    }
  });
}

for (const button of document.querySelectorAll("button[data-save]")) {
  button.addEventListener("click", () => {
    const rows = [...byId(button.dataset.save).rows].filter((row) => !row.hidden);
    const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const lines = rows.map((row) => [...row.cells].map((cell) => quoted(cell.dataset.v ?? cell.textContent)).join(","));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
    link.download = button.dataset.name;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
