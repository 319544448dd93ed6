// Elements made of data: text is always text, never markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

const el = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
// Where a label's panel is, as the templates write it.
const address = (text) => `#label=${encodeURIComponent(text.replace(/\p{Surrogate}/gu, "?"))}`;
const labelLink = (j, text) => el("a", { class: "name", href: address(text) }, el("bdi", {}, text));
const name = (text) => el("bdi", { class: "name" }, text);

// Three decimals as Python writes them: exact, and a tie goes to the even digit.
function fixed(value, digits = 3) {
  const exact = value.toFixed(40);
  const cut = exact.indexOf(".") + 1 + digits;
  if (/^50*$/.test(exact.slice(cut)) && Number(exact[cut - 1]) % 2 === 0) return exact.slice(0, cut);
  return value.toFixed(digits);
}

function number(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return fixed(value, digits);
}

const whole = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");
const counted = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;
const percent = (share) => (share === null ? "–" : `${fixed(100 * share, 1)}%`);

// A number to read, with all of its digits for whoever asks.
function datum(value, shown = number(value)) {
  return el("data", { value: value === null || Number.isNaN(value) ? "" : value }, shown);
}
