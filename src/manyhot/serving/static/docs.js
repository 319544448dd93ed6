// The OpenAPI description as a page: each address with what it takes, what it returns, and a command to try it.

import { sendJson, hasToken } from "/static/api.js";
import { rowCommand } from "/static/curl.js";
import { made } from "/static/form.js";
import { at, notice, onSignIn, trouble } from "/static/status.js";
import { patiently } from "/static/waiting.js";

const MOST_WORDS = 12; // levels or labels of an enumeration that are listed

const code = (textContent) => made("code", { textContent });

// A reference within the document, such as #/components/schemas/Error.
function resolved(schema, document) {
  const path = schema?.$ref?.slice(2).split("/");
  return path ? path.reduce((part, key) => part[key], document) : (schema ?? {});
}

function listed(values) {
  const words = values.slice(0, MOST_WORDS).map((value) => JSON.stringify(value));
  return words.join(", ") + (values.length > MOST_WORDS ? ` and ${values.length - MOST_WORDS} more` : "");
}

function typeOf(schema, document) {
  const inner = resolved(schema, document);
  if ("const" in inner) return JSON.stringify(inner.const);
  if (inner.enum) return `one of ${listed(inner.enum)}`;
  const choices = inner.anyOf ?? inner.oneOf;
  if (choices) return choices.map((one) => typeOf(one, document)).join(", or ");
  if (inner.type === "array") return `list of ${typeOf(inner.items, document)}`;
  if (inner.contentEncoding) return `${inner.contentEncoding} of ${inner.contentMediaType}`;
  return [inner.type ?? "any"].flat().join(" or ");
}

function facts(schema, document) {
  const inner = resolved(schema, document);
  const bounds = [["minimum", "at least"], ["maximum", "at most"], ["minItems", "items at least"], ["maxItems", "items at most"]];
  const words = bounds.filter(([key]) => key in inner).map(([key, word]) => `${word} ${inner[key]}`);
  if (inner.examples?.length) words.push(`for example ${listed(inner.examples)}`);
  return [inner.description?.replace(/\.$/, ""), ...words].filter(Boolean).join("; ");
}

function fields(schema, document) {
  const inner = resolved(schema, document);
  const required = new Set(inner.required ?? []);
  const rows = Object.entries(inner.properties ?? {}).map(([name, one]) => made("tr", {},
    made("th", { scope: "row" }, code(name)),
    made("td", { textContent: typeOf(one, document) }),
    made("td", { textContent: required.has(name) ? "required" : "optional" }),
    made("td", { textContent: facts(one, document) })));
  if (!rows.length) return null;
  const head = ["Field", "Type", "Presence", "Meaning"].map((textContent) => made("th", { scope: "col", textContent }));
  const table = made("table", { className: "fields" }, made("thead", {}, made("tr", {}, ...head)), made("tbody", {}, ...rows));
  return made("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: "Fields" }, table);
}

function titled(title, ...children) {
  return [made("h4", { textContent: title }), ...children.filter(Boolean)];
}

function body(operation, document) {
  const content = operation.requestBody?.content;
  if (!content) return [];
  const json = resolved(content["application/json"]?.schema, document);
  const row = json.properties?.rows?.items;
  const others = Object.keys(content).filter((type) => type !== "application/json");
  const words = others.length ? made("p", {}, "Also accepted: ", others.join(", "), ".") : null;
  return [
    ...titled("Body (application/json)", fields(json, document), words),
    ...(row ? titled("A row", fields(row, document) ?? made("p", { textContent: typeOf(row, document) })) : []),
  ];
}

function responses(operation, document) {
  const items = Object.entries(operation.responses).map(([status, { description, content }]) => {
    const types = Object.keys(content ?? {});
    return made("tr", {}, made("th", { scope: "row", textContent: status }), made("td", { textContent: description }), made("td", { textContent: types.join(", ") }));
  });
  const schema = operation.responses["200"]?.content?.["application/json"]?.schema;
  const prediction = resolved(schema, document).properties?.predictions?.items;
  return [
    ...titled("Response", schema ? fields(schema, document) : null),
    ...(prediction ? titled("A prediction", fields(prediction, document)) : []),
    ...titled("Statuses", made("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: "Statuses" }, made("table", {}, made("tbody", {}, ...items)))),
  ];
}

function command(path, operation, isPublic) {
  const example = operation.requestBody?.content["application/json"]?.example;
  const withToken = hasToken() && !isPublic;
  return rowCommand(path, example, [], withToken);
}

function section(path, method, operation, document) {
  const isPublic = operation.security?.length === 0;
  const details = made("details", { className: "operation", id: `operation-${operation.operationId}` },
    made("summary", {}, made("span", { className: `method ${method}`, textContent: method.toUpperCase() }), " ", code(path), " ", made("span", { className: "hint", textContent: operation.summary })));
  let isFilled = false;
  details.addEventListener("toggle", () => {
    if (isFilled) return; // what nobody opens is not drawn
    isFilled = true;
    details.append(...titled("Try it", made("pre", { tabIndex: 0, textContent: command(path, operation, isPublic) })),
      ...body(operation, document), ...responses(operation, document));
  });
  return details;
}

function draw(document) {
  at("summary").textContent = `${document.info.title} ${document.info.version}, OpenAPI ${document.openapi}. ${document.info.description}`;
  const groups = new Map();
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const group = operation.tags?.[0] ?? "Service";
      groups.set(group, [...(groups.get(group) ?? []), section(path, method, operation, document)]);
    }
  }
  const parts = [...groups].map(([group, sections]) => made("section", {}, made("h2", { textContent: group }), ...sections));
  at("operations").replaceChildren(...parts);
  if (location.hash) at(`operation-${decodeURIComponent(location.hash.slice(1))}`)?.setAttribute("open", "");
  else at("operation-predict")?.setAttribute("open", "");
}

async function begin() {
  trouble(null);
  try {
    draw(await patiently(() => sendJson("/openapi.json"), notice));
    at("raw").hidden = hasToken(); // the browser would ask for it without the token
    at("sign-in").hidden = true;
  } catch (error) {
    trouble(error);
  }
}

onSignIn(begin);
begin();
