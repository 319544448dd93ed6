// Why a label was predicted or not: reasons as bars, and the row's texts with the words marked that count.

import { made } from "/static/form.js";
import { shape } from "/static/shape.js";

const MOST_REASONS = 10; // the strongest; the response has them all

export function reasonList(explanation, row) {
  const reasons = [...explanation.for, ...explanation.against]
    .sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
    .slice(0, MOST_REASONS);
  if (!reasons.length) return [made("p", { className: "hint", textContent: "Nothing in this row counts for or against it." })];
  const most = Math.abs(reasons[0].contribution);
  const items = reasons.map(({ what, contribution }) => {
    const kind = contribution > 0 ? "for" : "against";
    const length = (50 * Math.abs(contribution)) / most;
    const drawing = shape("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    drawing.append(shape("rect", { class: `fill-${kind}`, x: kind === "for" ? 50 : 50 - length, y: 0, width: length, height: 10 }));
    drawing.append(shape("rect", { class: "middle", x: 49.7, y: 0, width: 0.6, height: 10 }));
    const value = `${contribution > 0 ? "+" : "−"}${Math.abs(contribution).toFixed(2)}`;
    return made("li", {}, made("span", { className: "what", textContent: what }), drawing, made("span", { className: `value ${kind}`, textContent: value }));
  });
  const key = (kind) => made("span", { className: `key ${kind}`, textContent: kind });
  const legend = made("p", { className: "hint" }, "What each adds to the label's logit: ", key("against"), " ", key("for"));
  const texts = marked(reasons, row);
  return [legend, made("ul", {}, ...items), ...(texts ? [texts] : [])];
}

function marked(reasons, row) {
  const places = reasons.flatMap((one) => (one.places ?? []).map(([from, to]) => ({
    from, to, column: one.column, kind: one.contribution > 0 ? "for" : "against",
  })));
  if (!places.length) return null;
  const place = made("div", { className: "marked" });
  for (const column of new Set(places.map((one) => one.column))) {
    const letters = [...String(row[column] ?? "")];
    const line = made("p");
    let at = 0;
    for (const one of places.filter((each) => each.column === column).sort((a, b) => a.from - b.from)) {
      if (one.from < at) continue;
      line.append(letters.slice(at, one.from).join(""));
      line.append(made("mark", { className: one.kind, title: one.kind, textContent: letters.slice(one.from, one.to).join("") }));
      at = one.to;
    }
    line.append(letters.slice(at).join(""));
    place.append(line);
  }
  return place;
}
