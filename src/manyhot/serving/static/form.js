// A form made of a model's columns, and the row that was typed into it.

const MAX_FIELDS = 80; // of more columns the row is one text
const FOR = "224,84,0"; // the colours of evidence in the pictures that `predict --plots` writes
const AGAINST = "32,124,240";
const MAX_OPACITY = 0.8;
const MAX_LEVELS = 40; // of more levels a field offers them while one types

function made(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export class Form {
  constructor(place, model) {
    this.model = model;
    this.place = place;
    this.fields = new Map();
    this.whole = null;
    place.replaceChildren();
    const columns = model.columns;
    const isTable = columns.length > 0 && columns.length <= MAX_FIELDS && !Array.isArray(model.example) &&
      columns.every((column) => column.name in model.example || column.type === "image");
    if (!isTable) {
      this.whole = made("textarea", { id: "whole", className: "whole", spellcheck: false });
      this.whole.value = JSON.stringify(model.example, null, 1);
      const words = "The row as JSON: an object of columns and values, or a list of values";
      place.append(made("div", { className: "field" }, made("label", { htmlFor: "whole", textContent: words }), this.whole));
      return;
    }
    const numbers = made("div", { className: "numbers" });
    columns.forEach((column, k) => {
      const field = made("div", { className: "field" });
      const isShort = column.type !== "text" && column.type !== "image";
      const input = this.#input(column, `field-${k}`);
      field.append(made("label", { htmlFor: input.id, textContent: column.name }), input);
      if (column.type === "image") field.append(this.#preview(column, input, field));
      if (column.type === "categorical" && column.levels.length > MAX_LEVELS) field.append(this.#levels(column, input));
      this.fields.set(column.name, { column, input, field, file: null });
      (isShort ? numbers : place).append(field);
    });
    if (numbers.children.length) place.append(numbers);
  }

  #input(column, id) {
    const { type } = column;
    if (type === "text") return made("textarea", { id });
    if (type === "image") return made("input", { id, type: "file", accept: "image/*" });
    if (type === "boolean") {
      const options = [["", "unknown"], ["true", "yes"], ["false", "no"]];
      return made("select", { id }, ...options.map(([value, textContent]) => made("option", { value, textContent })));
    }
    if (type === "categorical" && column.levels.length <= MAX_LEVELS) {
      const options = [["", "unknown"], ...column.levels.map((level) => [level, level])];
      return made("select", { id }, ...options.map(([value, textContent]) => made("option", { value, textContent })));
    }
    const input = made("input", { id, type: "text", autocomplete: "off" });
    if (type === "numeric") {
      input.inputMode = "decimal";
      if (column.typical !== undefined) input.placeholder = `such as ${Number(column.typical.toPrecision(4))}`;
    }
    return input;
  }

  #levels(column, input) {
    const list = made("datalist", { id: `${input.id}-levels` });
    list.append(...column.levels.slice(0, 1000).map((value) => made("option", { value })));
    input.setAttribute("list", list.id);
    return list;
  }

  #preview(column, input, field) {
    const preview = made("div", { className: "preview", hidden: true });
    const image = made("img", { alt: `the image in ${column.name}` });
    preview.append(image, made("canvas", { width: 1, height: 1 }));
    const take = (file) => {
      const one = this.fields.get(column.name);
      one.file = file ?? null;
      this.clearMaps();
      if (image.src) URL.revokeObjectURL(image.src);
      preview.hidden = !file;
      if (file) image.src = URL.createObjectURL(file);
    };
    input.addEventListener("change", () => take(input.files[0]));
    field.classList.add("over");
    droppable(field, (files) => take(files[0]));
    const hint = made("p", { className: "hint", textContent: "or drop an image here" });
    const key = (kind) => made("span", { className: `key ${kind}`, textContent: kind });
    const ramp = made("p", { className: "ramp hint", hidden: true }, made("span", { className: "what" }), " ", key("against"), " ", key("for"));
    return made("div", {}, hint, preview, ramp);
  }

  example() {
    if (this.whole) {
      this.whole.value = JSON.stringify(this.model.example, null, 1);
      return;
    }
    for (const [name, { column, input }] of this.fields) {
      const value = this.model.example[name];
      if (column.type !== "image") input.value = value === null || value === undefined ? "" : String(value);
    }
  }

  get images() {
    return [...this.fields.values()].filter(({ column }) => column.type === "image");
  }

  // The body of a request: JSON, or a form where images are sent along.
  async row() {
    if (this.whole) {
      try {
        return JSON.parse(this.whole.value);
      } catch (error) {
        throw new Error(`The row is not valid JSON: ${error.message}`);
      }
    }
    const row = {};
    for (const [name, { column, input, file }] of this.fields) row[name] = await cell(column, input, file);
    return row;
  }

  focus(name) {
    const found = name && this.fields.get(name);
    const input = found ? found.input : this.whole ?? this.fields.values().next().value?.input;
    for (const { input: other } of this.fields.values()) other.removeAttribute("aria-invalid");
    if (found) input.setAttribute("aria-invalid", "true");
    input?.focus();
  }

  clearMaps() {
    for (const { field } of this.images) {
      const canvas = field.querySelector("canvas");
      canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
      field.querySelector(".preview").classList.remove("mapped");
      field.querySelector(".ramp").hidden = true;
    }
  }

  // Colours over the image, which turns grey: orange is evidence for the label, blue against it.
  drawMaps(maps, label) {
    this.clearMaps();
    for (const { column, field } of this.images) {
      const map = maps?.[column.name];
      if (!map) continue;
      const canvas = field.querySelector("canvas");
      const most = Math.max(...map.grid.flat().map(Math.abs), 1e-12);
      canvas.height = map.grid.length;
      canvas.width = map.grid[0].length;
      const pen = canvas.getContext("2d");
      map.grid.forEach((line, y) => line.forEach((value, x) => {
        pen.fillStyle = `rgba(${value > 0 ? FOR : AGAINST},${(MAX_OPACITY * Math.abs(value)) / most})`;
        pen.fillRect(x, y, 1, 1);
      }));
      field.querySelector(".preview").classList.add("mapped");
      const ramp = field.querySelector(".ramp");
      ramp.hidden = false;
      ramp.querySelector(".what").textContent = `Evidence on ${label}:`;
    }
  }
}

async function cell(column, input, file) {
  if (column.type === "image") {
    if (!file) throw Object.assign(new Error(`Choose an image for ${column.name}.`), { column: column.name });
    return inBase64(file);
  }
  const text = input.value;
  if (column.type === "text") return text;
  if (text.trim() === "") return null;
  if (column.type === "boolean") return text === "true";
  if (column.type !== "numeric") return text;
  const number = Number(text.trim().replace(/^\+/, ""));
  if (!Number.isFinite(number)) {
    throw Object.assign(new Error(`${column.name}: "${text}" is not a number (for example 0.5).`), { column: column.name });
  }
  return number;
}

export async function inBase64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const pieces = [];
  for (let k = 0; k < bytes.length; k += 0x8000) pieces.push(String.fromCharCode(...bytes.subarray(k, k + 0x8000)));
  return btoa(pieces.join(""));
}

export function droppable(place, take) {
  const over = (is) => (event) => {
    event.preventDefault();
    place.classList.toggle("is-over", is);
  };
  place.addEventListener("dragover", over(true));
  place.addEventListener("dragleave", over(false));
  place.addEventListener("drop", (event) => {
    over(false)(event);
    if (event.dataTransfer.files.length) take(event.dataTransfer.files);
  });
}

export { made };
