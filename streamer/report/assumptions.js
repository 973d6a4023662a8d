// Computes a sheet anew when an assumption changes: the trees are those that the page was written with.
"use strict";

const computed = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "**": (a, b) => a ** b,
  ">": (a, b) => (a > b ? 1 : a <= b ? 0 : NaN),
  "<": (a, b) => (a < b ? 1 : a >= b ? 0 : NaN),
  min: Math.min,
  max: Math.max,
  ceil: Math.ceil,
  abs: Math.abs,
};

const evaluate = (tree, known) => {
  if (typeof tree === "string") return known.get(tree);
  if (Array.isArray(tree)) return computed[tree[0]](...tree.slice(1).map(part => evaluate(part, known)));
  return tree;
};

const told = (value, { unit, digits, texts }) => {
  if (!Number.isFinite(value)) return "–";
  if (texts) return texts[value.toFixed(0)] ?? "–";
  const scaled = unit === "%" ? 100 * value : value;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const number = (Number(scaled.toFixed(digits)) + 0).toLocaleString("en-US", options);
  return unit ? `${number} ${unit}` : number;
};

for (const sheet of document.querySelectorAll("[data-sheet]")) {
  const results = JSON.parse(sheet.dataset.sheet);
  const inputs = [...sheet.querySelectorAll("input[data-name]")];
  sheet.addEventListener("input", () => {
    const known = new Map(inputs.map(input => [input.dataset.name, input.valueAsNumber / Number(input.dataset.scale)]));
    for (const result of results) {
      known.set(result.name, evaluate(result.tree, known));
      const shown = sheet.querySelector(`[data-result="${result.name}"]`);
      if (shown) shown.textContent = told(known.get(result.name), result);
    }
  });
}
