"use strict";
(() => {
  const main = document.querySelector("main");
  const cards = [...main.querySelectorAll("article")];
  const [rater, progress, count, undo, save, said] =
    ["rater", "progress", "count", "undo", "save", "said"].map((id) => document.getElementById(id));
  const place = `earshot-sheet-${main.dataset.sheet}`;
  let answers = new Map(); // request -> {value, labelled_at}
  const steps = []; // [request, what stood there before]
  let current = 0;
  let kept = true;

  const remember = () => {
    try {
      localStorage.setItem(place, JSON.stringify({ rater: rater.value, answers: [...answers] }));
      kept = true;
    } catch {
      kept = false; // no storage for pages on disk: leaving asks first
    }
  };

  const recall = () => {
    try {
      const found = JSON.parse(localStorage.getItem(place));
      if (!found) return;
      rater.value = found.rater;
      answers = new Map(found.answers.filter(([request]) => cards.some((card) => card.dataset.request === request)));
    } catch {
      answers = new Map();
    }
  };

  const draw = () => {
    cards.forEach((card, index) => {
      const answer = answers.get(card.dataset.request);
      card.classList.toggle("answered", answer !== undefined);
      card.classList.toggle("current", index === current);
      for (const button of card.querySelectorAll("[data-value]")) {
        button.setAttribute("aria-pressed", String(answer !== undefined && button.dataset.value === String(answer.value)));
      }
    });
    progress.value = answers.size;
    count.value = `${answers.size} of ${cards.length}`;
    undo.disabled = steps.length === 0;
    save.disabled = answers.size === 0;
  };

  const go = (index) => {
    current = Math.min(Math.max(index, 0), cards.length - 1);
    draw();
    cards[current].focus({ preventScroll: true });
    cards[current].scrollIntoView({ block: "start" });
  };

  const put = (request, answer) => {
    if (answer === undefined) answers.delete(request);
    else answers.set(request, answer);
    remember();
  };

  const answer = (card, value) => {
    const request = card.dataset.request;
    steps.push([request, answers.get(request)]);
    put(request, { value, labelled_at: new Date().toISOString() });
    const index = cards.indexOf(card);
    const open = (from, to) => cards.slice(from, to).find((other) => !answers.has(other.dataset.request));
    const next = open(index + 1) ?? open(0, index);
    go(next ? cards.indexOf(next) : index);
  };

  const takeBack = () => {
    if (steps.length === 0) return;
    const [request, before] = steps.pop();
    put(request, before);
    go(cards.findIndex((card) => card.dataset.request === request));
  };

  const line = (card) => {
    const { request, video, task, query } = card.dataset;
    const { value, labelled_at } = answers.get(request);
    const who = rater.value.trim();
    return JSON.stringify({ video_id: video, task, query, value, rater: who, labelled_at, request_id: request, source: "sheet" });
  };

  const download = () => {
    const who = rater.value.trim();
    said.textContent = who === "" ? "Who are you? Give an id that names nobody." : "";
    if (who.includes("@")) said.textContent = "An e-mail address names a person; give an opaque id.";
    if (said.textContent !== "") return rater.focus();
    const lines = cards.filter((card) => answers.has(card.dataset.request)).map(line);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "application/jsonl" }));
    link.download = "answers.jsonl";
    link.click();
    URL.revokeObjectURL(link.href);
    kept = true;
  };

  main.addEventListener("click", (event) => {
    const card = event.target.closest("article");
    const button = event.target.closest("[data-value]");
    if (button) return answer(card, Number(button.dataset.value));
    if (card && !event.target.closest("details, video")) {
      current = cards.indexOf(card);
      draw();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.target === rater || event.ctrlKey || event.metaKey || event.altKey) return;
    const button = cards[current].querySelector(`[data-value="${CSS.escape(event.key)}"]`);
    const moves = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 };
    if (button) answer(cards[current], Number(event.key));
    else if (event.key in moves) go(current + moves[event.key]);
    else if (event.key === "u") takeBack();
    else if (event.key === "s") download();
    else return;
    event.preventDefault();
  });
  undo.addEventListener("click", takeBack);
  save.addEventListener("click", download);
  rater.addEventListener("input", remember);
  addEventListener("beforeunload", (event) => {
    if (!kept) event.preventDefault();
  });
  recall();
  current = Math.max(0, cards.findIndex((card) => !answers.has(card.dataset.request)));
  draw();
})();
