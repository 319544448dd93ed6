// A file in, a file of predictions out, in chunks, so that progress is visible and it can be stopped.

import { Problem, send, sendJson } from "/static/api.js";
import { inBase64 } from "/static/form.js";

const PIECE_ROWS = 1000;
const PIECE_BYTES = 4_000_000;
const PIECE_IMAGES = 8;
const TRIES = 5;

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

// A service that has too much to do says when to come back.
async function patiently(request, signal) {
  for (let k = 1; ; k += 1) {
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof Problem) || ![429, 503].includes(error.status) || k === TRIES) throw error;
      await new Promise((done) => setTimeout(done, 1000 * k));
      signal.throwIfAborted();
    }
  }
}

function numbered(lines, before) {
  // rows without an id are numbered within the piece; here it becomes that in the file
  const isNumbered = lines.every((line, k) => line.startsWith(`${k + 1},`));
  return isNumbered && before ? lines.map((line, k) => before + k + 1 + line.slice(String(k + 1).length)) : lines;
}

export async function predictTable(path, file, thresholds, { progress, signal }) {
  const text = await file.text();
  const [head, ...rows] = records(text.replace(/^\ufeff/, ""));
  if (!rows.length) throw new Error(`${file.name} has no rows under its first line.`);
  const isTabbed = /\.(tsv|tab)$/i.test(file.name) || (!head.includes(",") && head.includes("\t"));
  const headers = { "Content-Type": isTabbed ? "text/tab-separated-values" : "text/csv" };
  const query = Object.keys(thresholds).length ? `?thresholds=${encodeURIComponent(JSON.stringify(thresholds))}` : "";
  const predictions = [];
  let done = 0;
  for (const piece of pieces(rows)) {
    const body = head + piece.join("");
    let csvLines;
    try {
      const response = await patiently(() => send(path + query, { method: "POST", body, headers, signal }), signal);
      csvLines = records(await response.text());
    } catch (error) {
      if (error instanceof Problem && done) error.message = `in the piece after row ${done}: ${error.message}`;
      throw error;
    }
    const [header, ...lines] = csvLines;
    predictions.push(...(done ? [] : [header]), ...numbered(lines, done));
    done += piece.length;
    progress(done, rows.length);
  }
  return { text: predictions.join(""), rows: rows.length, name: file.name.replace(/\.[^.]*$/, "") };
}

const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const harmless = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);

export async function predictImages(path, files, model, thresholds, { progress, signal }) {
  const column = model.columns.find(({ type }) => type === "image").name;
  const lines = [["id", "labels", ...model.labels.map((label) => `p_${label}`)]];
  for (let k = 0; k < files.length; k += PIECE_IMAGES) {
    const part = files.slice(k, k + PIECE_IMAGES);
    const rows = await Promise.all(part.map(async (file) => ({ [column]: await inBase64(file) })));
    const body = { rows, ...(Object.keys(thresholds).length ? { thresholds } : {}) };
    const result = await patiently(() => sendJson(path, body, signal), signal);
    result.predictions.forEach((prediction, j) => {
      lines.push([part[j].name, prediction.labels.join(";"), ...model.labels.map((label) => prediction.probabilities[label])]);
    });
    progress(Math.min(files.length, k + PIECE_IMAGES), files.length);
  }
  const text = lines.map((line) => line.map((cell) => quoted(harmless(String(cell)))).join(",")).join("\n");
  return { text: `${text}\n`, rows: files.length, name: "images" };
}
