// A prediction as bars with movable thresholds, and the reasons for each label.

import { made } from "/static/form.js";

const FIRST = 40; // labels that are shown unless a search finds more
const SVG = "http://www.w3.org/2000/svg";

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

export function shown(probability) {
  if (probability > 0 && probability < 0.005) return "<0.01";
  if (probability < 1 && probability > 0.995) return ">0.99";
  return probability.toFixed(2);
}

export class Bars {
  // onMove: called when a threshold was moved; onReasons: with a label's maps when its reasons are opened
  constructor(list, model, { onMove, onReasons }) {
    this.list = list;
    this.model = model;
    this.onMove = onMove;
    this.onReasons = onReasons;
    this.thresholds = { ...model.thresholds };
    this.prediction = null;
    this.row = null;
    this.order = "model";
    this.find = "";
    list.replaceChildren();
  }

  get changed() {
    const names = Object.keys(this.thresholds).filter((name) => this.thresholds[name] !== this.model.thresholds[name]);
    return Object.fromEntries(names.map((name) => [name, this.thresholds[name]]));
  }

  reset() {
    this.thresholds = { ...this.model.thresholds };
  }

  setPrediction(prediction, row) {
    this.prediction = prediction;
    this.row = row;
  }

  // The labels that are shown, and how many are not.
  #chosen() {
    const { labels } = this.model;
    const scores = this.prediction.probabilities;
    const predicted = new Set(this.prediction.labels);
    const sought = this.find.trim().toLowerCase();
    let names = sought ? labels.filter((name) => name.toLowerCase().includes(sought)) : [...labels];
    const byScore = (a, b) => scores[b] - scores[a];
    let rest = 0;
    if (names.length > FIRST) {
      const first = [...names].sort((a, b) => predicted.has(b) - predicted.has(a) || byScore(a, b));
      const selected = new Set(first.slice(0, Math.max(FIRST, sought ? 0 : predicted.size)));
      rest = names.length - selected.size;
      names = names.filter((name) => selected.has(name));
    }
    if (this.order === "score") names.sort(byScore);
    return [names, rest];
  }

  // Draws all bars anew; returns how many labels are hidden.
  draw() {
    const [names, rest] = this.#chosen();
    const predicted = new Set(this.prediction.labels);
    const wasOpen = new Set([...this.list.querySelectorAll("details[open]")].map((one) => one.dataset.label));
    this.list.replaceChildren(...names.map((name) => this.#item(name, predicted.has(name), wasOpen.has(name))));
    return rest;
  }

  // New predictions for bars that stay where they are, so that a slider keeps its focus.
  update(prediction) {
    this.prediction = prediction;
    const predicted = new Set(prediction.labels);
    for (const item of this.list.children) item.classList.toggle("yes", predicted.has(item.dataset.label));
  }

  #item(name, isPredicted, isOpen) {
    const score = this.prediction.probabilities[name];
    const item = made("li", { className: isPredicted ? "yes" : "" });
    item.dataset.label = name;
    const track = made("div", { className: "track" });
    const drawing = shape("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    drawing.append(shape("rect", { class: "base", x: 0, y: 4, width: 100, height: 2 }));
    drawing.append(shape("rect", { class: "bar", x: 0, y: 0, width: 100 * score, height: 10 }));
    track.append(drawing);
    const threshold = this.thresholds[name];
    if (threshold !== undefined) track.append(this.#slider(name, threshold, score));
    const value = made("span", { className: "value", textContent: shown(score), title: String(score) });
    item.append(made("div", { className: "line" }, made("span", { className: "name", textContent: name }), track, value));
    const explanation = this.prediction.explain?.[name];
    if (explanation) item.append(this.#reasons(name, explanation, isOpen));
    return item;
  }

  #slider(name, threshold, score) {
    const slider = made("input", { type: "range", min: 0, max: 1, step: "any" });
    slider.value = String(threshold);
    const updateTitle = () => {
      const at = this.thresholds[name];
      slider.title = `threshold ${at.toFixed(3)}`;
      slider.setAttribute("aria-valuetext", `threshold ${at.toFixed(2)}, probability ${shown(score)}`);
    };
    slider.setAttribute("aria-label", `Threshold of ${name}`);
    updateTitle();
    const move = (to) => {
      this.thresholds[name] = Math.round(1000 * Math.min(1, Math.max(0, to))) / 1000;
      slider.value = String(this.thresholds[name]);
      updateTitle();
      this.onMove();
    };
    slider.addEventListener("input", () => move(Number(slider.value)));
    slider.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -0.01, ArrowDown: -0.01, ArrowRight: 0.01, ArrowUp: 0.01, PageDown: -0.1, PageUp: 0.1 };
      if (event.key in steps) {
        event.preventDefault();
        move(this.thresholds[name] + steps[event.key]);
      }
    });
    return slider;
  }

  #reasons(name, explanation, isOpen) {
    const details = made("details", { className: "reasons", open: isOpen });
    details.dataset.label = name;
    details.append(made("summary", { textContent: "Why?" }));
    for (const kind of ["for", "against"]) {
      if (!explanation[kind].length) continue;
      const items = explanation[kind].map((one) => made("li", {},
        made("span", { textContent: one.what }), " ",
        made("span", { className: kind, textContent: `${one.contribution > 0 ? "+" : "−"}${Math.abs(one.contribution).toFixed(2)}` }),
      ));
      details.append(made("p", { className: `hint ${kind}`, textContent: kind }), made("ul", {}, ...items));
    }
    const texts = this.#marked(explanation);
    if (texts) details.append(texts);
    details.addEventListener("toggle", () => details.open && this.onReasons(explanation.maps));
    if (isOpen) this.onReasons(explanation.maps);
    return details;
  }

  // The row's texts with the words marked that count.
  #marked(explanation) {
    const places = [...explanation.for, ...explanation.against].flatMap((one) => (one.places ?? []).map(([from, to]) => ({
      from, to, column: one.column, kind: one.contribution > 0 ? "for" : "against",
    })));
    if (!places.length) return null;
    const place = made("div");
    for (const column of new Set(places.map((one) => one.column))) {
      const letters = [...String(this.row[column] ?? "")];
      const line = made("p");
      let at = 0;
      for (const one of places.filter((each) => each.column === column).sort((a, b) => a.from - b.from)) {
        if (one.from < at) continue;
        line.append(letters.slice(at, one.from).join(""));
        line.append(made("strong", { className: one.kind, textContent: letters.slice(one.from, one.to).join("") }));
        at = one.to;
      }
      line.append(letters.slice(at).join(""));
      place.append(line);
    }
    return place;
  }
}
