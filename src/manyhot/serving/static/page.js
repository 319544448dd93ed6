// The page: which model, a row and its labels, a file and its predictions. Nothing is stored, and nothing leaves the service.

import { Problem, send, sendJson, hasToken, useToken } from "/static/api.js";
import { Bars } from "/static/predictions.js";
import { Form, droppable, made } from "/static/form.js";
import { predictImages, predictTable } from "/static/files.js";

const WAIT = 120; // milliseconds after the last move of a slider
const at = (id) => document.getElementById(id);
const state = { model: null, form: null, bars: null, path: "", row: null, timer: 0, requestCount: 0, work: null };

function trouble(error) {
  const place = at("problem");
  place.hidden = !error;
  place.textContent = error ? error.message : "";
  if (error instanceof Problem && error.status === 401) {
    at("sign-in").hidden = false;
    at("token").focus();
  }
}

async function begin() {
  trouble(null);
  try {
    const { models } = await sendJson("/models");
    at("sign-in").hidden = true;
    at("choice").hidden = models.length < 2;
    at("model").replaceChildren(...models.map((name) => made("option", { value: name, textContent: name })));
    await choose(models[0]);
  } catch (error) {
    trouble(error);
  }
}

async function choose(name) {
  trouble(null);
  state.work?.abort();
  state.path = `/models/${encodeURIComponent(name)}`;
  const model = await sendJson(`${state.path}/model`);
  state.model = model;
  state.form = new Form(at("fields"), model);
  state.bars = new Bars(at("bars"), model, { onMove: moved, onReasons: (maps) => state.form.drawMaps(maps) });
  state.row = null;
  document.title = `${model.name} · manyhot`;
  const counted = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const columns = model.columns.length ? counted(model.columns.length, "column") : "arrays";
  at("summary").textContent = `${model.name}: ${columns} → ${counted(model.labels.length, "label")}`;
  at("predict").disabled = at("example").disabled = false;
  at("status").textContent = "Fill in a row and press Predict.";
  for (const id of ["tools", "rest", "keep", "work", "download"]) at(id).hidden = true;
  at("file-status").textContent = "";
  at("explain-choice").hidden = !model.can_explain;
  at("explain").checked = model.can_explain && model.columns.some(({ type }) => type === "text" || type === "image");
  at("find-choice").hidden = model.labels.length <= 12;
  at("example").hidden = model.columns.length > 0 && model.columns.every(({ type }) => type === "image");
  aboutFiles(model);
  metrics(model);
  at("report").hidden = !model.has_report;
  at("report").href = `${state.path}/report`;
}

function aboutFiles(model) {
  const types = model.columns.map(({ type }) => type);
  const images = types.filter((type) => type === "image").length;
  const takesImages = images === 1 && types.length === 1;
  const takesTables = !images && types.length > 0;
  const file = at("file");
  file.closest("section").hidden = !takesImages && !takesTables;
  file.accept = takesImages ? "image/*" : ".csv,.tsv,.tab,text/csv";
  file.multiple = takesImages;
  file.value = "";
  at("file-label").textContent = takesImages ? "Image files" : "CSV or TSV file, one row per line";
  at("file-hint").textContent = takesImages ? "or drop them here" : "or drop it here; the first line has the column names";
}

function metrics(model) {
  const { report } = model;
  const sources = {
    out_of_fold: "each scored only by members not trained on it",
    held_out: "held out of training", new: "from an evaluation file", training: "from training, so the metrics are too optimistic",
  };
  at("provenance").textContent = `Measured on ${report.rows} rows, ${sources[report.scores_from] ?? report.scores_from}.`;
  const rows = Object.entries(report.metrics).filter(([, value]) => value !== null).map(([name, value]) => {
    const baseline = report.baselines[name];
    return made("tr", {}, made("th", { scope: "row", textContent: name.replaceAll("_", " ") }),
      made("td", { textContent: value.toFixed(3) }),
      made("td", { textContent: typeof baseline === "number" ? baseline.toFixed(3) : "–" }));
  });
  const head = ["Metric", "This model", "Baseline"].map((textContent) => made("th", { scope: "col", textContent }));
  at("metrics").replaceChildren(made("thead", {}, made("tr", {}, ...head)), made("tbody", {}, ...rows));
}

async function request(withExplanations) {
  const thresholds = state.bars.changed;
  const body = { rows: [state.row] };
  if (Object.keys(thresholds).length) body.thresholds = thresholds;
  if (withExplanations) body.explain = true;
  const number = (state.requestCount += 1);
  const result = await sendJson(`${state.path}/predict`, body);
  return number === state.requestCount ? result : null; // a response to an older request is not shown
}

async function predict(event) {
  event.preventDefault();
  trouble(null);
  at("predict").disabled = true;
  try {
    state.row = await state.form.row();
    const result = await request(at("explain").checked);
    if (!result) return;
    state.form.clearMaps();
    state.bars.setPrediction(result.predictions[0], state.row);
    redraw();
    at("tools").hidden = false;
    showResult(result);
    if (window.matchMedia("(max-width: 60rem)").matches) at("prediction").scrollIntoView({ block: "start" });
  } catch (error) {
    trouble(error);
    state.form.focus(error.column);
  } finally {
    at("predict").disabled = false;
  }
}

function showResult(result) {
  const { labels } = result.predictions[0];
  const notes = (result.notes ?? []).map((note) => ` (${note})`).join("");
  at("status").textContent = (labels.length ? `Predicted: ${labels.join(", ")}.` : "No label reaches its threshold.") + notes;
  const changed = Object.entries(state.bars.changed);
  at("reset").hidden = at("keep").hidden = !changed.length;
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const flags = changed.map(([name, value]) => `--set ${quote(`${name}=${value}`)}`);
  at("command").textContent = `manyhot thresholds ${quote(`${state.model.name}.manyhot`)} ${flags.join(" ")}`;
}

function moved() {
  clearTimeout(state.timer);
  state.timer = setTimeout(async () => {
    try {
      const result = await request(false);
      if (!result) return;
      const explanations = state.bars.prediction.explain;
      state.bars.update({ ...result.predictions[0], ...(explanations ? { explain: explanations } : {}) });
      showResult(result);
    } catch (error) {
      trouble(error);
    }
  }, WAIT);
}

function redraw() {
  if (!state.bars?.prediction) return;
  const rest = state.bars.draw();
  at("rest").hidden = !rest;
  at("rest").textContent = `${rest} more labels with lower probabilities are hidden; find them by name.`;
}

async function predictFiles(files) {
  if (!files.length) return;
  trouble(null);
  state.work?.abort();
  const work = (state.work = new AbortController());
  const isImages = at("file").multiple;
  const progress = (done, all) => {
    at("done").value = done / all;
    at("done-label").textContent = `Predicting: ${done} of ${all}`;
  };
  at("done").value = 0;
  at("done-label").textContent = "Reading";
  at("work").hidden = false;
  at("download").hidden = true;
  at("file-status").textContent = "";
  try {
    const options = { progress, signal: work.signal };
    const path = `${state.path}/predict`;
    const thresholds = state.bars.changed;
    const found = isImages
      ? await predictImages(path, [...files], state.model, thresholds, options)
      : await predictTable(path, files[0], thresholds, options);
    const link = at("download");
    if (link.href) URL.revokeObjectURL(link.href);
    link.href = URL.createObjectURL(new Blob([found.text], { type: "text/csv" }));
    link.download = `${found.name}-predictions.csv`;
    link.textContent = `Download ${link.download}`;
    link.hidden = false;
    const how = Object.keys(thresholds).length ? ", at your thresholds" : "";
    at("file-status").textContent = `${found.rows} ${isImages ? "images" : "rows"} predicted${how}.`;
  } catch (error) {
    if (error.name === "AbortError") at("file-status").textContent = "Stopped; nothing was saved.";
    else trouble(error);
  } finally {
    if (state.work === work) at("work").hidden = true;
  }
}

at("row").addEventListener("submit", predict);
at("example").addEventListener("click", () => state.form.example());
at("model").addEventListener("change", () => choose(at("model").value).catch(trouble));
at("order").addEventListener("change", () => {
  state.bars.order = at("order").value;
  redraw();
});
at("find").addEventListener("input", () => {
  state.bars.find = at("find").value;
  redraw();
});
at("reset").addEventListener("click", () => {
  state.bars.reset();
  redraw();
  moved();
  at("prediction").focus();
});
at("file").addEventListener("change", () => predictFiles(at("file").files));
at("stop").addEventListener("click", () => state.work?.abort());
at("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(at("token").value);
  begin();
});
at("report").addEventListener("click", async (event) => {
  if (!hasToken()) return; // the browser would ask for it without the token
  event.preventDefault();
  try {
    const page = await (await send(`${state.path}/report`)).blob();
    const link = made("a", { href: URL.createObjectURL(page), download: `${state.model.name}-report.html` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch (error) {
    trouble(error);
  }
});
droppable(at("drop"), predictFiles);
begin();
