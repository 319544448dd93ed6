// Rows that the model is most wrong on, and entries that look wrongly recorded.

const SHOWN = 6;

function labelSet(page, indices) {
  if (!indices.length) return el("span", { class: "faint" }, "none");
  const shown = indices.slice(0, 12).map((j) => [name(page.labels.label[j]), " "]);
  return el("span", { class: "set" }, shown, indices.length > 12 ? `and ${indices.length - 12} more` : null);
}

// What a row is, as far as the page knows.
function rowContent(row) {
  const parts = [];
  if (row.image) parts.push(el("img", { src: `data:image/jpeg;base64,${row.image}`, alt: `Row ${row.id}`, decoding: "async" }));
  if (row.text) parts.push(el("blockquote", { dir: "auto" }, row.text));
  if (row.cells) parts.push(el("p", { class: "cells" }, row.cells.map(([column, value]) => [el("span", {}, el("bdi", { class: "faint" }, column), " ", el("bdi", {}, value)), " "])));
  return parts;
}

// Row `index` and one of its labels, with its probability where that is what the card is about.
function rowCard(page, index, label, score, more = []) {
  const row = page.rowOf.get(index);
  return el("li", { class: "card" },
    rowContent(row),
    el("p", {}, el("b", {}, "Row ", name(row.id)), ", ", name(page.labels.label[label]), score === null ? null : ` ${number(score)}`),
    more,
    el("p", { class: "sets" }, el("span", { class: "faint" }, "recorded: "), labelSet(page, row.recorded), el("br"), el("span", { class: "faint" }, "predicted: "), labelSet(page, row.predicted), row.unknown ? [el("br"), el("span", { class: "faint" }, `unknown: ${counted(row.unknown, "label")}`)] : null),
  );
}

// The first cards, and the others when they are asked for.
function cardList(cards, kind = "cards") {
  const [first, others] = [cards.slice(0, SHOWN), cards.slice(SHOWN)];
  const list = el("ul", { class: kind }, first);
  if (!others.length) return list;
  return [list, el("details", {}, el("summary", {}, `${others.length} more`), el("ul", { class: kind }, others))];
}

function showRows(page) {
  const { errors, label_errors, label_errors_note, has_contents } = page.rows;
  const view = document.getElementById("rows-view");
  const hint = page.file ? "" : " manyhot report MODEL FILE shows the rows of a file as themselves, where they are texts, images or tables.";
  if (!has_contents) view.append(el("p", { class: "lead" }, `Rows are named here as their file named them, or by their number.${hint}`));
  const list = (title, entries, count) => {
    const words = count > entries.length ? `${whole(count)} in all; here the ${entries.length} worst.` : `${whole(count)} in all.`;
    const cards = entries.map((entry) => rowCard(page, entry.row, entry.label, entry.score));
    return el("div", {}, el("h3", {}, title), el("p", {}, words), cardList(cards));
  };
  view.append(
    el("div", { class: "columns" },
      list("False positives with the highest probabilities", errors.false_positives, errors.n_false_positives),
      list("False negatives with the lowest probabilities", errors.false_negatives, errors.n_false_negatives)),
    el("h3", {}, "Labels that look wrongly recorded"),
    el("p", {}, label_errors_note),
  );
  if (label_errors.length) {
    const cards = label_errors.map((entry) => rowCard(page, entry.row, entry.label, null, [el("p", {}, `${fixed(100 * entry.suspicion, 0)} % likely mislabelled: ${entry.reason}.`)]));
    view.append(...[cardList(cards)].flat());
  }
}
