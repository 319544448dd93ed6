// The labels as they are in the data: how many a row has, how frequent each is, which occur together.

const MAX_NAMED_BARS = 30; // all labels, or of more the most frequent and the rarest
const ENDS = 12;

function showData(page) {
  const { data, labels } = page;
  const charts = el("div", { class: "halves" }, frequencyBars(labels), sizesChart(data.sizes));
  document.getElementById("data-view").append(charts, togetherView(data, labels.label, labels.support));
}

function sizesChart(sizes) {
  let last = sizes.length - 1;
  while (last > 1 && !sizes[last]) last--;
  const most = Math.max(1, ...sizes);
  const at = frame({
    title: `Rows by number of labels, from 0 to ${last}`,
    x: { low: -0.5, high: last + 0.5, name: "labels per row", ticks: ticks(0, last, Math.min(8, last)).filter(Number.isInteger) },
    y: { low: 0, high: most, name: "rows" },
    width: pageWidth(440),
    left: 48,
  });
  sizes.slice(0, last + 1).forEach((rows, size) => {
    const from = at.sx(size - 0.4);
    const bar = svg("rect", { class: "bar", x: from, width: Math.max(1, at.sx(size + 0.4) - from), y: at.sy(rows), height: at.bottom - at.sy(rows) });
    bar.append(svg("title", {}, `${counted(size, "label")}: ${counted(rows, "row")}`));
    at.root.append(bar);
    if (last <= 12 && rows) at.root.append(svg("text", { class: "inside", x: at.sx(size), y: at.sy(rows) - 3, "text-anchor": "middle" }, whole(rows)));
  });
  return figure("Rows by number of labels", at.root);
}

// A label's rows as a named bar; a long tail shows both of its ends.
function frequencyBars(labels) {
  const ranked = labels.support.map((_, j) => j).sort((a, b) => labels.support[b] - labels.support[a] || a - b);
  const most = labels.support[ranked[0]];
  const bars = (some) => namedBars(some.map((j) => [j, labels.label[j], labels.support[j], whole(labels.support[j])]), most);
  const head = el("figcaption", {}, "Rows of each label");
  if (ranked.length <= MAX_NAMED_BARS) return el("figure", {}, head, bars(ranked));
  const middle = ranked.slice(ENDS, -ENDS);
  const [high, low] = [labels.support[middle[0]], labels.support[middle[middle.length - 1]]];
  return el("figure", {}, head, bars(ranked.slice(0, ENDS)), el("p", { class: "faint" }, `${counted(middle.length, "label")} with ${whole(high)} down to ${counted(low, "row")}`), bars(ranked.slice(-ENDS)));
}

function togetherView(data, names, support) {
  const { labels, rows, known } = data.matrix;
  const parts = [];
  if (labels.length > 1) {
    const all = labels.length === names.length;
    const head = el("tr", {}, el("td"), labels.map((j) => el("th", { scope: "col", title: names[j] }, el("span", { class: "turned" }, name(names[j])))));
    const body = labels.map((j, row) => {
      const cells = labels.map((i, column) => {
        if (row === column) return el("td", { class: "own" }, "·");
        const share = known[row][column] ? rows[row][column] / known[row][column] : 0;
        const title = `${counted(rows[row][column], "row")} with ${names[j]} and ${names[i]}`;
        const cell = el("td", { title }, String(Math.round(100 * share)));
        cell.style.setProperty("--share", share);
        return cell;
      });
      return el("tr", {}, el("th", { scope: "row", title: names[j] }, name(names[j])), cells);
    });
    const which = all ? "all labels" : `the ${labels.length} most frequent of ${whole(names.length)} labels`;
    parts.push(
      el("div", {},
        el("h3", {}, "Labels that occur together"),
        el("p", {}, `Percentage of rows with the row's label that also have the column's label; ${which}, similar ones side by side.`),
        el("p", { class: "ramp" }, "0% ", el("span", { "aria-hidden": "true" }), " 100%"),
        el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Labels that occur together" }, el("table", { class: "matrix" }, el("thead", {}, head), el("tbody", {}, body))),
      ),
    );
  }
  if (data.pairs.length) {
    const lines = data.pairs.map((pair) => el("tr", {},
      el("th", { scope: "row" }, name(names[pair.first]), " + ", name(names[pair.second])),
      el("td", { class: "figure" }, whole(pair.rows)),
      el("td", { class: "figure" }, number(pair.expected, 1)),
      el("td", { class: "figure" }, `${number(pair.rows / Math.max(pair.expected, 1e-9), 1)} ×`),
      el("td", { class: "figure" }, percent(pair.rows / Math.min(support[pair.first], support[pair.second]))),
    ));
    parts.push(
      el("div", {},
        el("h3", {}, "Pairs more frequent than chance"),
        el("p", {}, "Pairs that a test finds more frequent than chance: rows with both labels, the number expected if the two were independent, and the share of the rarer label's rows."),
        el("div", { class: "scroll short", tabindex: 0, role: "region", "aria-label": "Pairs more frequent than chance" },
          el("table", { class: "pairs" },
            el("thead", {}, el("tr", {}, ["Pair", "Rows", "By chance", "Ratio", "Of the rarer label"].map((head, k) => el("th", { scope: "col", class: k ? "figure" : null }, head)))),
            el("tbody", {}, lines))),
      ),
    );
  }
  return el("div", { class: "together" }, parts);
}
