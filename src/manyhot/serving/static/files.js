// A file in, a file of predictions out, in chunks, so that progress is visible and it can be stopped.

import { Problem, send, sendJson } from "/static/api.js";
import { inBase64, made } from "/static/form.js";
import { whenReady } from "/static/waiting.js";

const PIECE_ROWS = 1000;
const PIECE_BYTES = 4_000_000;
const PIECE_IMAGES = 8;
const LABEL_SEP = ";";
const PREVIEW_ROWS = 5;
const PREVIEW_LABELS = 3; // most probable labels of a row in the preview

// The records of a CSV text, quoted line breaks and all, each with its line break.
export function records(text) {
  const found = [];
  let from = 0;
  let isQuoted = false;
  for (let k = 0; k < text.length; k += 1) {
    const letter = text[k];
    if (letter === '"') isQuoted = !isQuoted;
    else if (letter === "\n" && !isQuoted) {
      found.push(text.slice(from, k + 1));
      from = k + 1;
    }
  }
  if (from < text.length) found.push(`${text.slice(from)}\n`);
  return found.filter((record) => record.trim() !== "");
}

export function* pieces(rows) {
  let piece = [];
  let size = 0;
  for (const row of rows) {
    if (piece.length && (piece.length === PIECE_ROWS || size + row.length > PIECE_BYTES)) {
      yield piece;
      [piece, size] = [[], 0];
    }
    piece.push(row);
    size += row.length;
  }
  if (piece.length) yield piece;
}

// The first cells of a CSV record.
function cellsOf(record, most = Infinity) {
  const cells = [];
  let cell = "";
  let isQuoted = false;
  const text = record.replace(/\r?\n$/, "");
  for (let k = 0; k < text.length && cells.length < most; k += 1) {
    const letter = text[k];
    if (letter === '"' && isQuoted && text[k + 1] === '"') {
      cell += letter;
      k += 1;
    } else if (letter === '"') isQuoted = !isQuoted;
    else if (letter === "," && !isQuoted) {
      cells.push(cell);
      cell = "";
    } else cell += letter;
  }
  if (cells.length < most) cells.push(cell);
  return cells;
}

// The first rows of a file's predictions, and how often each label was predicted.
class Summary {
  constructor() {
    this.rows = [];
    this.counts = new Map();
    this.n = this.unlabelled = 0;
  }

  add(id, labels, probabilities) {
    this.n += 1;
    this.unlabelled += labels.length === 0;
    for (const label of labels) this.counts.set(label, (this.counts.get(label) ?? 0) + 1);
    if (this.rows.length === PREVIEW_ROWS) return;
    const best = Object.entries(probabilities()).sort((a, b) => b[1] - a[1]).slice(0, PREVIEW_LABELS);
    this.rows.push({ id, labels, best });
  }

  sentence(what) {
    const rows = `${this.n} ${what}${this.n === 1 ? "" : "s"} predicted`;
    const none = this.unlabelled ? `; ${this.unlabelled} without a label` : "";
    const frequent = [...this.counts].sort((a, b) => b[1] - a[1]).slice(0, 5).map(([label, n]) => `${label} (${n})`);
    return `${rows}${none}.${frequent.length ? ` Most frequent: ${frequent.join(", ")}.` : ""}`;
  }

  table() {
    const head = ["Row", "Predicted labels", "Most probable"].map((textContent) => made("th", { scope: "col", textContent }));
    const rows = this.rows.map(({ id, labels, best }) => made("tr", {},
      made("th", { scope: "row", textContent: id }),
      made("td", { textContent: labels.join(", ") || "–" }),
      made("td", { textContent: best.map(([label, value]) => `${label} ${value.toFixed(2)}`).join(", ") })));
    const more = this.n - this.rows.length;
    const caption = more ? `The first ${this.rows.length} of ${this.n} predictions` : "The predictions";
    return made("table", {}, made("caption", { textContent: caption }), made("thead", {}, made("tr", {}, ...head)), made("tbody", {}, ...rows));
  }
}

function numbered(lines, before) {
  // rows without an id are numbered within the piece; here it becomes that in the file
  const isNumbered = lines.every((line, k) => line.startsWith(`${k + 1},`));
  return isNumbered && before ? lines.map((line, k) => before + k + 1 + line.slice(String(k + 1).length)) : lines;
}

export async function predictTable(path, file, thresholds, { progress, notice, signal }) {
  const text = await file.text();
  const [head, ...rows] = records(text.replace(/^\ufeff/, ""));
  if (!rows.length) throw new Error(`${file.name} has no rows under its first line.`);
  const isTabbed = /\.(tsv|tab)$/i.test(file.name) || (!head.includes(",") && head.includes("\t"));
  const headers = { "Content-Type": isTabbed ? "text/tab-separated-values" : "text/csv" };
  const query = Object.keys(thresholds).length ? `?thresholds=${encodeURIComponent(JSON.stringify(thresholds))}` : "";
  const predictions = [];
  const summary = new Summary();
  let done = 0;
  for (const piece of pieces(rows)) {
    const body = head + piece.join("");
    let csvLines;
    try {
      const response = await whenReady(() => send(path + query, { method: "POST", body, headers, signal }), notice, signal);
      csvLines = records(await response.text());
    } catch (error) {
      if (error instanceof Problem && done) error.message = `in the piece after row ${done}: ${error.message}`;
      throw error;
    }
    const [header, ...lines] = csvLines;
    const found = numbered(lines, done);
    predictions.push(...(done ? [] : [header]), ...found);
    const names = cellsOf(header).slice(2).map((name) => name.slice(2)); // without p_
    for (const line of found) {
      const [id, labels] = cellsOf(line, 2);
      const probabilities = () => Object.fromEntries(cellsOf(line).slice(2).map((value, k) => [names[k], Number(value)]));
      summary.add(id, labels.split(LABEL_SEP).filter(Boolean), probabilities);
    }
    done += piece.length;
    progress(done, rows.length);
  }
  return { text: predictions.join(""), summary, query, type: headers["Content-Type"], name: file.name.replace(/\.[^.]*$/, "") };
}

const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const harmless = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);

export async function predictImages(path, files, model, thresholds, { progress, notice, signal }) {
  const column = model.columns.find(({ type }) => type === "image").name;
  const summary = new Summary();
  const lines = [["id", "labels", ...model.labels.map((label) => `p_${label}`)]];
  for (let k = 0; k < files.length; k += PIECE_IMAGES) {
    const part = files.slice(k, k + PIECE_IMAGES);
    const rows = await Promise.all(part.map(async (file) => ({ [column]: await inBase64(file) })));
    const body = { rows, ...(Object.keys(thresholds).length ? { thresholds } : {}) };
    const result = await whenReady(() => sendJson(path, body, signal), notice, signal);
    result.predictions.forEach((prediction, j) => {
      summary.add(part[j].name, prediction.labels, () => prediction.probabilities);
      lines.push([part[j].name, prediction.labels.join(LABEL_SEP), ...model.labels.map((label) => prediction.probabilities[label])]);
    });
    progress(Math.min(files.length, k + PIECE_IMAGES), files.length);
  }
  const text = lines.map((line) => line.map((cell) => quoted(harmless(String(cell)))).join(",")).join("\n");
  return { text: `${text}\n`, summary, column, name: "images" };
}
