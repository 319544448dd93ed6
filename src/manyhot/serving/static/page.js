// The page: which model, a row and its labels, a file and its answers. Nothing is kept, and nothing leaves the service.

import { Problem, ask, askJson, hasToken, useToken } from "/static/api.js";
import { Bars } from "/static/answers.js";
import { Form, droppable, made } from "/static/form.js";
import { answerImages, answerTable } from "/static/files.js";

const WAIT = 120; // milliseconds after the last move of a slider
const at = (id) => document.getElementById(id);
const state = { model: null, form: null, bars: null, path: "", row: null, timer: 0, asked: 0, work: null };

function trouble(error) {
  const place = at("problem");
  place.hidden = !error;
  place.textContent = error ? error.message : "";
  if (error instanceof Problem && error.status === 401) {
    at("door").hidden = false;
    at("token").focus();
  }
}

async function begin() {
  trouble(null);
  try {
    const { models } = await askJson("/models");
    at("door").hidden = true;
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
  const model = await askJson(`${state.path}/model`);
  state.model = model;
  state.form = new Form(at("fields"), model);
  state.bars = new Bars(at("bars"), model, { moved, looked: (maps) => state.form.drawMaps(maps) });
  state.row = null;
  document.title = `${model.name} · manyhot`;
  const counted = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const columns = model.columns.length ? counted(model.columns.length, "column") : "arrays";
  at("what").textContent = `${model.name}: ${columns} → ${counted(model.labels.length, "label")}`;
  at("ask").disabled = at("example").disabled = false;
  at("said").textContent = "Nothing was asked yet.";
  for (const id of ["tools", "rest", "keep", "work", "download"]) at(id).hidden = true;
  at("file-said").textContent = "";
  at("why-choice").hidden = !model.gives_reasons;
  at("why").checked = model.gives_reasons && model.columns.some(({ kind }) => kind === "text" || kind === "image");
  at("find-choice").hidden = model.labels.length <= 12;
  at("example").hidden = model.columns.length > 0 && model.columns.every(({ kind }) => kind === "image");
  aboutFiles(model);
  measures(model);
  at("report").hidden = !model.has_report;
  at("report").href = `${state.path}/report`;
}

function aboutFiles(model) {
  const kinds = model.columns.map(({ kind }) => kind);
  const images = kinds.filter((kind) => kind === "image").length;
  const takesImages = images === 1 && kinds.length === 1;
  const takesTables = !images && kinds.length > 0;
  const file = at("file");
  file.closest("section").hidden = !takesImages && !takesTables;
  file.accept = takesImages ? "image/*" : ".csv,.tsv,.tab,text/csv";
  file.multiple = takesImages;
  file.value = "";
  at("file-label").textContent = takesImages ? "Images, as many as you like" : "A CSV or TSV with one row a line";
  at("file-hint").textContent = takesImages ? "or drop them here" : "or drop it here; its first line names the columns";
}

function measures(model) {
  const { report } = model;
  const sources = {
    out_of_fold: "each scored only by members that were not trained on it",
    held_out: "held out of training", new: "handed in for evaluation", training: "also trained on, so far too good",
  };
  at("from").textContent = `Measured on ${report.rows} rows, ${sources[report.scores_from] ?? report.scores_from}.`;
  const rows = Object.entries(report.measures).filter(([, value]) => value !== null).map(([name, value]) => {
    const baseline = report.baselines[name];
    return made("tr", {}, made("th", { scope: "row", textContent: name.replaceAll("_", " ") }),
      made("td", { textContent: value.toFixed(3) }),
      made("td", { textContent: typeof baseline === "number" ? baseline.toFixed(3) : "–" }));
  });
  const head = ["Measure", "This model", "Prevalence alone"].map((textContent) => made("th", { scope: "col", textContent }));
  at("measures").replaceChildren(made("thead", {}, made("tr", {}, ...head)), made("tbody", {}, ...rows));
}

async function request(withWhy) {
  const thresholds = state.bars.changed;
  const body = { rows: [state.row] };
  if (Object.keys(thresholds).length) body.thresholds = thresholds;
  if (withWhy) body.why = true;
  const number = (state.asked += 1);
  const told = await askJson(`${state.path}/predict`, body);
  return number === state.asked ? told : null; // an older answer than the newest question is not shown
}

async function predict(event) {
  event.preventDefault();
  trouble(null);
  at("ask").disabled = true;
  try {
    state.row = await state.form.row();
    const told = await request(at("why").checked);
    if (!told) return;
    state.form.clearMaps();
    state.bars.take(told.answers[0], state.row);
    redraw();
    at("tools").hidden = false;
    said(told);
    if (window.matchMedia("(max-width: 60rem)").matches) at("answer").scrollIntoView({ block: "start" });
  } catch (error) {
    trouble(error);
    state.form.focus(error.column);
  } finally {
    at("ask").disabled = false;
  }
}

function said(told) {
  const { labels } = told.answers[0];
  const notes = (told.notes ?? []).map((note) => ` (${note})`).join("");
  at("said").textContent = (labels.length ? `Answered: ${labels.join(", ")}.` : "No label reaches its threshold.") + notes;
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
      const told = await request(false);
      if (!told) return;
      const why = state.bars.answer.why;
      state.bars.update({ ...told.answers[0], ...(why ? { why } : {}) });
      said(told);
    } catch (error) {
      trouble(error);
    }
  }, WAIT);
}

function redraw() {
  if (!state.bars?.answer) return;
  const rest = state.bars.draw();
  at("rest").hidden = !rest;
  at("rest").textContent = `${rest} more labels with lower probabilities are not shown; look for them by name.`;
}

async function answerFiles(files) {
  if (!files.length) return;
  trouble(null);
  state.work?.abort();
  const work = (state.work = new AbortController());
  const isImages = at("file").multiple;
  const progress = (done, all) => {
    at("done").value = done / all;
    at("done-label").textContent = `Answering: ${done} of ${all}`;
  };
  at("done").value = 0;
  at("done-label").textContent = "Reading";
  at("work").hidden = false;
  at("download").hidden = true;
  at("file-said").textContent = "";
  try {
    const told = { progress, signal: work.signal };
    const path = `${state.path}/predict`;
    const thresholds = state.bars.changed;
    const found = isImages
      ? await answerImages(path, [...files], state.model, thresholds, told)
      : await answerTable(path, files[0], thresholds, told);
    const link = at("download");
    if (link.href) URL.revokeObjectURL(link.href);
    link.href = URL.createObjectURL(new Blob([found.text], { type: "text/csv" }));
    link.download = `${found.name}-answers.csv`;
    link.textContent = `Download ${link.download}`;
    link.hidden = false;
    const how = Object.keys(thresholds).length ? ", at the thresholds that you moved" : "";
    at("file-said").textContent = `${found.rows} ${isImages ? "images" : "rows"} answered${how}.`;
  } catch (error) {
    if (error.name === "AbortError") at("file-said").textContent = "Stopped; nothing was kept.";
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
  at("answer").focus();
});
at("file").addEventListener("change", () => answerFiles(at("file").files));
at("stop").addEventListener("click", () => state.work?.abort());
at("door").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(at("token").value);
  begin();
});
at("report").addEventListener("click", async (event) => {
  if (!hasToken()) return; // the browser would ask for it without the token
  event.preventDefault();
  try {
    const page = await (await ask(`${state.path}/report`)).blob();
    const link = made("a", { href: URL.createObjectURL(page), download: `${state.model.name}-report.html` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch (error) {
    trouble(error);
  }
});
droppable(at("drop"), answerFiles);
begin();
