"use strict";
// What all parts of the page use.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const number = (x, digits) => {
  const text = Math.abs(x).toFixed(digits);
  return (x < 0 && Number(text) !== 0 ? "\u2212" : "") + text;
};
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const fill = (select, options) => select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
const distinct = (values) => [...new Set(values)];

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const redraws = [];
let width = document.documentElement.clientWidth;

/** Draw again whenever the page becomes wider or narrower, or light or dark. */
function onChange(draw) {
  redraws.push(draw);
}

dark.addEventListener("change", () => redraws.forEach((draw) => draw()));
window.addEventListener("resize", () => {
  if (document.documentElement.clientWidth === width) return; // phones resize as their bars come and go
  width = document.documentElement.clientWidth;
  redraws.forEach((draw) => draw());
});
