// A prediction as bars with movable thresholds: predicted labels on top, the others folded, each with its reasons.

import { made } from "/static/form.js";
import { reasonList } from "/static/reasons.js";
import { shape } from "/static/shape.js";

const MOST_OTHERS = 40; // labels under the fold; a search finds the rest

export function shown(probability) {
  if (probability > 0 && probability < 0.005) return "<0.01";
  if (probability < 1 && probability > 0.995) return ">0.99";
  return probability.toFixed(2);
}

export class PredictionChart {
  // place: elements predicted, others, fold (a details), count, rest;
  // onMove: called when a threshold was moved; onExplain: label -> explanation; onMaps: maps of an open label, or null
  constructor(place, model, { onMove, onExplain, onMaps }) {
    Object.assign(this, { place, model, onMove, onExplain, onMaps });
    this.thresholds = { ...model.thresholds };
    this.prediction = null;
    this.row = null;
    this.find = "";
    this.items = new Map();
    this.explanations = new Map();
  }

  // What a request has to say of thresholds: those that were moved.
  get changed() {
    const names = Object.keys(this.thresholds).filter((name) => this.thresholds[name] !== this.model.thresholds[name]);
    return Object.fromEntries(names.map((name) => [name, this.thresholds[name]]));
  }

  reset() {
    this.thresholds = { ...this.model.thresholds };
    this.draw();
  }

  setPrediction(prediction, row) {
    this.prediction = prediction;
    this.row = row;
    this.explanations.clear();
    this.draw();
  }

  // Draws all bars anew.
  draw() {
    this.items.clear();
    this.place.predicted.replaceChildren();
    this.place.others.replaceChildren();
    this.arrange();
  }

  // Predictions at other thresholds: bars stay where they are while one of them is dragged or has the focus.
  update(prediction) {
    this.prediction = prediction;
    const predicted = new Set(prediction.labels);
    for (const [name, item] of this.items) item.classList.toggle("yes", predicted.has(name));
    if (!this.#active) this.arrange();
  }

  get #active() {
    return [...this.items.values()].find((item) => item.contains(document.activeElement) || item.querySelector(":active"));
  }

  // Puts each label where it belongs, by probability; what is there already is moved, so that nothing loses the focus.
  arrange() {
    const scores = this.prediction.probabilities;
    const predicted = new Set(this.prediction.labels);
    const sought = this.find.trim().toLowerCase();
    const names = this.model.labels.filter((name) => name.toLowerCase().includes(sought)).sort((a, b) => scores[b] - scores[a]);
    const others = names.filter((name) => !predicted.has(name));
    this.#place(this.place.predicted, names.filter((name) => predicted.has(name)), true);
    this.#place(this.place.others, others.slice(0, MOST_OTHERS), false);
    const { fold, count, rest } = this.place;
    fold.hidden = !others.length;
    count.textContent = `${others.length} other label${others.length === 1 ? "" : "s"}`;
    if (!predicted.size || sought) fold.open = true;
    rest.hidden = others.length <= MOST_OTHERS;
    rest.textContent = `${others.length - MOST_OTHERS} labels with lower probabilities are not shown; find them by name.`;
  }

  #place(list, names, isPredicted) {
    const wanted = new Set(names);
    for (const item of [...list.children]) if (!wanted.has(item.dataset.label)) item.remove();
    names.forEach((name, k) => {
      if (!this.items.has(name)) this.items.set(name, this.#item(name));
      const item = this.items.get(name);
      item.classList.toggle("yes", isPredicted);
      if (list.children[k] !== item) list.insertBefore(item, list.children[k] ?? null);
    });
  }

  #item(name) {
    const score = this.prediction.probabilities[name];
    const item = made("li");
    item.dataset.label = name;
    const track = made("div", { className: "track" });
    const drawing = shape("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    drawing.append(shape("rect", { class: "base", x: 0, y: 0, width: 100, height: 10 }));
    drawing.append(shape("rect", { class: "bar", x: 0, y: 0, width: 100 * score, height: 10 }));
    track.append(drawing);
    const value = made("span", { className: "value score", textContent: shown(score), title: String(score) });
    const line = made("div", { className: "line" }, made("span", { className: "name", textContent: name }), track, value);
    if (this.thresholds[name] !== undefined) {
      const threshold = made("span", { className: "value threshold" });
      track.append(this.#slider(name, score, drawing, threshold));
      line.append(threshold);
    }
    item.append(line);
    if (this.model.can_explain) item.append(this.#why(name));
    item.addEventListener("focusout", (event) => item.contains(event.relatedTarget) || setTimeout(() => this.#active || this.arrange()));
    return item;
  }

  #slider(name, score, drawing, text) {
    const slider = made("input", { type: "range", min: 0, max: 1, step: "any" });
    const saved = this.model.thresholds[name];
    const mark = shape("rect", { class: "saved", x: 100 * saved - 0.25, y: -4, width: 0.5, height: 18 });
    drawing.append(mark);
    slider.setAttribute("aria-label", `Threshold of ${name}`);
    const show = () => {
      const threshold = this.thresholds[name];
      slider.value = String(threshold);
      slider.title = `threshold ${threshold.toFixed(3)}`;
      slider.setAttribute("aria-valuetext", `threshold ${threshold.toFixed(2)}, probability ${shown(score)}`);
      text.textContent = threshold.toFixed(2);
      text.classList.toggle("changed", threshold !== saved);
      mark.classList.toggle("shown", threshold !== saved);
    };
    const move = (to) => {
      this.thresholds[name] = Math.round(1000 * Math.min(1, Math.max(0, to))) / 1000;
      show();
      this.onMove();
    };
    show();
    slider.addEventListener("input", () => move(Number(slider.value)));
    slider.addEventListener("change", () => setTimeout(() => this.#active || this.arrange()));
    slider.addEventListener("keydown", (event) => {
      const at = this.thresholds[name];
      const steps = { ArrowLeft: -0.01, ArrowDown: -0.01, ArrowRight: 0.01, ArrowUp: 0.01, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 };
      if (event.key in steps) {
        event.preventDefault();
        move(at + steps[event.key]);
      }
    });
    return slider;
  }

  #why(name) {
    const body = made("div", { className: "why" });
    const details = made("details", { className: "reasons" }, made("summary", { textContent: "Why?" }), body);
    details.querySelector("summary").setAttribute("aria-label", `Why? ${name}`);
    details.addEventListener("toggle", async () => {
      if (!details.open) {
        this.onMaps(null, name);
        return;
      }
      if (!this.explanations.has(name)) body.replaceChildren(made("p", { className: "hint", textContent: "Explaining …" }));
      const { row } = this;
      const explanation = this.explanations.get(name) ?? (await this.onExplain(name));
      if (row !== this.row) return; // another row was predicted in the meantime
      if (!explanation) {
        details.open = false;
        return;
      }
      this.explanations.set(name, explanation);
      body.replaceChildren(...reasonList(explanation, this.row));
      if (details.open) this.onMaps(explanation.maps, name);
    });
    return details;
  }
}
