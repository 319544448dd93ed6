// The page: which model, a row and its labels, a file and its predictions. Nothing is stored, and nothing leaves the service.

import { send, sendJson, hasToken } from "/static/api.js";
import { copyText, imagesCommand, rowCommand, tableCommand } from "/static/curl.js";
import { PredictionChart } from "/static/predictions.js";
import { Form, droppable, made } from "/static/form.js";
import { predictImages, predictTable } from "/static/files.js";
import { at, notice, onSignIn, trouble } from "/static/status.js";
import { patiently, untilReady, whenReady } from "/static/waiting.js";

const WAIT = 120; // milliseconds after the last move of a slider
const state = { model: null, form: null, chart: null, path: "", row: null, timer: 0, files: [], requestCount: 0, work: null };

async function begin() {
  trouble(null);
  try {
    const { models } = await patiently(() => sendJson("/models"), notice);
    at("sign-in").hidden = true;
    at("choice").hidden = models.length < 2;
    at("model").replaceChildren(...models.map((name) => made("option", { value: name, textContent: name })));
    await choose(models[0]);
    // the form is there while the service compiles; whether a model can be explained is known afterwards
    if (await untilReady(notice)) {
      Object.assign(state.model, await sendJson(`${state.path}/model`));
      if (state.chart.prediction) state.chart.draw();
    }
  } catch (error) {
    trouble(error);
  }
}

async function choose(name) {
  trouble(null);
  state.work?.abort();
  state.requestCount += 1; // what was asked of another model is not shown
  clearTimeout(state.timer);
  state.path = `/models/${encodeURIComponent(name)}`;
  const model = await patiently(() => sendJson(`${state.path}/model`), notice);
  const place = { predicted: at("bars"), others: at("others"), fold: at("fold"), count: at("others-count"), rest: at("rest") };
  const onMaps = (maps, label) => (maps ? state.form.drawMaps(maps, label) : state.form.clearMaps());
  state.model = model;
  state.form = new Form(at("fields"), model);
  state.chart = new PredictionChart(place, model, { onMove: moved, onExplain: explain, onMaps });
  state.row = null;
  document.title = `${model.name} · manyhot`;
  const counted = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const columns = model.columns.length ? counted(model.columns.length, "column") : "arrays";
  at("summary").textContent = `${model.name}: ${columns} → ${counted(model.labels.length, "label")}`;
  at("predict").disabled = at("example").disabled = false;
  at("status").textContent = "Fill in a row and press Predict.";
  for (const id of ["chart", "keep", "work", "preview", "file-result", "file-call"]) at(id).hidden = true;
  for (const id of ["call", "fold", "file-call"]) at(id).open = false;
  for (const id of ["file-status", "copied", "copied-file"]) at(id).textContent = "";
  at("find").value = "";
  at("find-choice").hidden = model.labels.length <= 12;
  at("chart").classList.toggle("plain", !Object.keys(model.thresholds ?? {}).length);
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
    out_of_fold: "out of fold", held_out: "held out of training", new: "from an evaluation file",
    training: "from training, so the metrics are too optimistic",
  };
  at("provenance").textContent = `Measured on ${report.rows} rows, ${sources[report.scores_from] ?? report.scores_from}.`;
  const rows = Object.entries(report.metrics).filter(([, value]) => value !== null).map(([name, value]) => {
    const baseline = report.baselines[name];
    return made("tr", {}, made("th", { scope: "row", textContent: report.titles[name] }),
      made("td", { textContent: value.toFixed(3) }),
      made("td", { textContent: typeof baseline === "number" ? baseline.toFixed(3) : "–" }));
  });
  const head = ["Metric", "This model", "Baseline"].map((textContent) => made("th", { scope: "col", textContent }));
  at("metrics").replaceChildren(made("thead", {}, made("tr", {}, ...head)), made("tbody", {}, ...rows));
}

// The body of a request for the row on the page, at the thresholds that are set there.
function requestBody(more = {}) {
  const thresholds = state.chart.changed;
  return { rows: [state.row], ...(Object.keys(thresholds).length ? { thresholds } : {}), ...more };
}

async function request() {
  const number = (state.requestCount += 1);
  const [path, body] = [`${state.path}/predict`, requestBody()]; // another model may be chosen while this waits
  const result = await whenReady(() => sendJson(path, body), notice);
  return number === state.requestCount ? result : null; // a response to an older request is not shown
}

async function explain(label) {
  trouble(null);
  try {
    const [path, body] = [`${state.path}/predict`, requestBody({ explain: [label] })];
    const result = await whenReady(() => sendJson(path, body), notice);
    return result.predictions[0].explain[label];
  } catch (error) {
    trouble(error);
    return null;
  }
}

async function predict(event) {
  event.preventDefault();
  trouble(null);
  at("predict").disabled = true;
  try {
    state.row = await state.form.row();
    state.files = state.form.images.map(({ column, file }) => ({ name: column.name, file }));
    at("status").textContent = "Predicting …";
    const result = await request();
    if (!result) return;
    state.form.clearMaps();
    at("chart").hidden = false;
    at("fold").open = false;
    state.chart.setPrediction(result.predictions[0], state.row);
    showResult(result);
    if (window.matchMedia("(max-width: 60rem)").matches) at("prediction").scrollIntoView({ block: "start" });
  } catch (error) {
    at("status").textContent = "No prediction.";
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
  const changed = Object.entries(state.chart.changed);
  at("reset").hidden = at("keep").hidden = at("saved-key").hidden = !changed.length;
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const flags = changed.map(([name, value]) => `--set ${quote(`${name}=${value}`)}`);
  at("command").textContent = `manyhot thresholds ${quote(`${state.model.name}.manyhot`)} ${flags.join(" ")}`;
  at("curl").textContent = rowCommand(`${state.path}/predict`, requestBody(), state.files, hasToken());
  at("copied").textContent = "";
}

function moved() {
  clearTimeout(state.timer);
  state.timer = setTimeout(async () => {
    try {
      const result = await request();
      if (!result) return;
      state.chart.update(result.predictions[0]);
      showResult(result);
    } catch (error) {
      trouble(error);
    }
  }, WAIT);
}

async function copy(text, fold, status) {
  fold.open = true;
  status.textContent = (await copyText(text)) ? "Copied." : "Press Ctrl+C to copy.";
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
  for (const id of ["preview", "file-result", "file-call"]) at(id).hidden = true;
  for (const id of ["file-status", "copied-file"]) at(id).textContent = "";
  try {
    const options = { progress, notice, signal: work.signal };
    const path = `${state.path}/predict`;
    const thresholds = state.chart.changed;
    const found = isImages
      ? await predictImages(path, [...files], state.model, thresholds, options)
      : await predictTable(path, files[0], thresholds, options);
    const link = at("download");
    if (link.href) URL.revokeObjectURL(link.href);
    link.href = URL.createObjectURL(new Blob([found.text], { type: "text/csv" }));
    link.download = `${found.name}-predictions.csv`;
    link.textContent = `Download ${link.download}`;
    const how = Object.keys(thresholds).length ? " The thresholds are those set above." : "";
    at("file-status").textContent = found.summary.sentence(isImages ? "image" : "row") + how;
    at("preview").replaceChildren(found.summary.table());
    at("preview").hidden = at("file-result").hidden = false;
    const { limits } = state.model;
    const bytes = [...files].reduce((sum, file) => sum + file.size, 0);
    at("file-call").hidden = at("copy-file").hidden = found.summary.n > limits.rows || bytes > limits.bytes;
    at("file-curl").textContent = isImages
      ? imagesCommand(path, found.column, [...files].map(({ name }) => name), thresholds, hasToken())
      : tableCommand(path, files[0].name, found.type, found.query, hasToken());
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
at("find").addEventListener("input", () => {
  state.chart.find = at("find").value;
  state.chart.arrange();
});
at("reset").addEventListener("click", () => {
  state.chart.reset();
  moved();
  at("prediction").focus();
});
at("copy").addEventListener("click", () => copy(at("curl"), at("call"), at("copied")));
at("copy-file").addEventListener("click", () => copy(at("file-curl"), at("file-call"), at("copied-file")));
at("file").addEventListener("change", () => predictFiles(at("file").files));
at("stop").addEventListener("click", () => state.work?.abort());
onSignIn(begin);
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
