// Small charts: a frame with two axes, and what is drawn in it. They are drawn in their final size, so that text in
// all of them is 12 px.

const WIDTH = 288; // four stand side by side, and one on a telephone
const HEIGHT = 230;
const EDGES = { left: 42, right: 10, top: 26, bottom: 38 };

// The width of a large chart: what is wanted, or what a small screen has.
const pageWidth = (wanted) => (document.documentElement.clientWidth < 640 ? WIDTH : wanted);

function ticks(low, high, wanted = 5) {
  if (!(high > low)) return [low];
  const rough = (high - low) / wanted;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((times) => times * unit).find((size) => size >= rough);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

const short = (value) => (Math.abs(value) >= 10000 ? `${value / 1000}k` : String(value));

function frame({ title, x, y, width = WIDTH, height = HEIGHT, left = EDGES.left }) {
  const span = { x: width - left - EDGES.right, y: height - EDGES.top - EDGES.bottom };
  const sx = (value) => left + (span.x * (value - x.low)) / (x.high - x.low || 1);
  const sy = (value) => EDGES.top + span.y * (1 - (value - y.low) / (y.high - y.low || 1));
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "chart", role: "img", "aria-label": title });
  const grid = svg("g", { class: "grid" });
  for (const at of y.ticks ?? ticks(y.low, y.high, 4)) {
    grid.append(svg("line", { x1: left, x2: width - EDGES.right, y1: sy(at), y2: sy(at) }));
    grid.append(svg("text", { x: left - 6, y: sy(at) + 4, "text-anchor": "end" }, (y.format ?? short)(at)));
  }
  for (const at of x.ticks ?? ticks(x.low, x.high)) {
    grid.append(svg("text", { x: sx(at), y: height - 22, "text-anchor": "middle" }, (x.format ?? short)(at)));
  }
  if (y.name) grid.append(svg("text", { x: left - 34, y: 12 }, `↑ ${y.name}`));
  grid.append(svg("text", { x: width - EDGES.right, y: height - 4, "text-anchor": "end" }, `${x.name} →`));
  root.append(grid);
  return { root, sx, sy, left, right: width - EDGES.right, top: EDGES.top, bottom: height - EDGES.bottom };
}

// A path through points [x, y]; a gap where one has no value.
function path(at, points, attributes) {
  let text = "";
  let isOpen = false;
  for (const [x, y] of points) {
    if (x === null || y === null || Number.isNaN(x) || Number.isNaN(y)) {
      isOpen = false;
      continue;
    }
    text += `${isOpen ? "L" : "M"}${at.sx(x).toFixed(1)} ${at.sy(y).toFixed(1)}`;
    isOpen = true;
  }
  return svg("path", { d: text, fill: "none", ...attributes });
}

function figure(title, root, ...below) {
  return el("figure", {}, el("figcaption", {}, title), root, ...below);
}

function legend(...entries) {
  const listed = entries.map(([kind, words]) => el("li", {}, el("span", { class: `key ${kind}`, "aria-hidden": "true" }), words));
  return el("ul", { class: "legend" }, listed);
}

// Makes a chart tell its values: the point nearest to the pointer, or the one that the arrow keys are at. `points`:
// [x in the chart, y or null, words], from left to right. Returns the line that the words stand in.
function readable(at, points, hint = "Point at the chart, or use the arrow keys, to read its values.") {
  const said = el("p", { class: "readout", role: "status" }, hint);
  if (!points.length) return said;
  const mark = svg("circle", { class: "read", r: 5, visibility: "hidden" });
  const line = svg("line", { class: "read", y1: at.top, y2: at.bottom, visibility: "hidden" });
  at.root.append(line, mark);
  let place = null;
  const read = (k) => {
    place = k;
    const [x, y, words] = points[k];
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    line.setAttribute("visibility", "visible");
    if (y !== null) {
      mark.setAttribute("cx", x);
      mark.setAttribute("cy", y);
    }
    mark.setAttribute("visibility", y === null ? "hidden" : "visible");
    said.textContent = words;
  };
  const leave = () => {
    line.setAttribute("visibility", "hidden");
    mark.setAttribute("visibility", "hidden");
  };
  const { root } = at;
  root.setAttribute("tabindex", "0");
  root.addEventListener("pointermove", (event) => {
    const box = root.getBoundingClientRect();
    const x = ((event.clientX - box.left) * root.viewBox.baseVal.width) / box.width;
    let nearest = 0;
    points.forEach((point, k) => {
      if (Math.abs(point[0] - x) < Math.abs(points[nearest][0] - x)) nearest = k;
    });
    read(nearest);
  });
  root.addEventListener("pointerleave", leave);
  root.addEventListener("blur", leave);
  root.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const size = Math.max(1, Math.round(points.length / 100));
    read(place === null ? (step > 0 ? 0 : points.length - 1) : Math.min(points.length - 1, Math.max(0, place + step * size)));
  });
  return said;
}

// Named values as bars in a grid: [label index or null, name, value, shown].
function namedBars(entries, most) {
  return el("div", { class: "bars" }, entries.map(([j, title, value, shown]) => {
    const bar = el("span", { class: "bar-track", "aria-hidden": "true" }, el("span", { class: "bar-fill" }));
    bar.firstChild.style.inlineSize = `${(100 * value) / Math.max(most, 1e-9)}%`;
    return el("div", { class: "bar-row" }, j === null ? el("span", {}, title) : labelLink(j, title), bar, el("span", { class: "value" }, shown));
  }));
}
