// The labels as they were recorded: how many a row carries, how frequent each is, which occur together.

function showData(page) {
  const { data, labels } = page;
  const charts = el("div", { class: "charts" }, sizesChart(data.sizes), frequencyChart(labels));
  document.getElementById("data-view").append(charts, togetherView(data, labels.label, labels.support));
}

function sizesChart(sizes) {
  let last = sizes.length - 1;
  while (last > 1 && !sizes[last]) last--;
  const most = Math.max(1, ...sizes);
  const at = frame({
    title: `Rows by the number of labels they carry, from 0 to ${last}`,
    x: { low: -0.5, high: last + 0.5, name: "labels of a row", ticks: ticks(0, last, Math.min(8, last)).filter(Number.isInteger) },
    y: { low: 0, high: most },
    left: 48,
  });
  sizes.slice(0, last + 1).forEach((rows, size) => {
    const from = at.sx(size - 0.4);
    const bar = svg("rect", { class: "bar", x: from, width: Math.max(1, at.sx(size + 0.4) - from), y: at.sy(rows), height: at.bottom - at.sy(rows) });
    bar.append(svg("title", {}, `${counted(size, "label")}: ${counted(rows, "row")}`));
    at.root.append(bar);
  });
  return figure("Rows by the number of labels they carry", at.root);
}

function frequencyChart(labels) {
  const ranked = labels.support.map((rows, j) => [rows, labels.label[j]]).sort((a, b) => b[0] - a[0]);
  const top = Math.max(1, ranked[0][0]);
  const isWide = top > 50 * Math.max(1, ranked[ranked.length - 1][0]);
  const scale = (rows) => (isWide ? Math.log10(Math.max(rows, 0.5)) : rows);
  const decades = [];
  for (let k = 0; 10 ** k <= top; k++) decades.push(k);
  const at = frame({
    title: `Rows that carry each label, from ${ranked[0][0]} down to ${ranked[ranked.length - 1][0]}`,
    x: { low: 0.5, high: ranked.length + 0.5, name: "labels, from frequent to rare", ticks: ticks(1, ranked.length, Math.min(6, ranked.length)).filter(Number.isInteger) },
    y: isWide ? { low: Math.log10(0.5), high: Math.log10(top), ticks: decades, format: (k) => short(10 ** k) } : { low: 0, high: top },
    left: 48,
  });
  ranked.forEach(([rows, label], k) => {
    const from = at.sx(k + 0.6);
    const bar = svg("rect", { class: "bar", x: from, width: Math.max(0.4, at.sx(k + 1.4) - from), y: at.sy(scale(rows)), height: at.bottom - at.sy(scale(rows)) });
    bar.append(svg("title", {}, `${label}: ${counted(rows, "row")}`));
    at.root.append(bar);
  });
  return figure(`Rows that carry each label${isWide ? " (each line is ten times the last)" : ""}`, at.root);
}

function togetherView(data, names, support) {
  const { labels, rows, known } = data.matrix;
  const parts = [];
  if (labels.length > 1) {
    const all = labels.length === names.length;
    const head = el("tr", {}, el("td"), labels.map((j, k) => el("th", { scope: "col", title: names[j] }, String(k + 1), el("span", { class: "hidden" }, ` ${names[j]}`))));
    const body = labels.map((j, row) => {
      const cells = labels.map((i, column) => {
        if (row === column) return el("td", { class: "own" }, "·");
        const share = known[row][column] ? rows[row][column] / known[row][column] : 0;
        const title = `${counted(rows[row][column], "row")} with ${names[j]} also carry ${names[i]}`;
        const cell = el("td", { title }, share ? String(Math.round(100 * share)) : "");
        cell.style.setProperty("--share", share);
        return cell;
      });
      return el("tr", {}, el("th", { scope: "row" }, `${row + 1} `, name(names[j])), cells);
    });
    const which = all ? "all labels" : `the ${labels.length} most frequent of ${whole(names.length)} labels`;
    parts.push(
      el("div", {},
        el("h3", {}, "Labels that occur together"),
        el("p", {}, `Of the rows with the label of the line, how many in 100 also carry that of the column; ${which}, similar ones side by side.`),
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
        el("h3", {}, "Pairs far above chance"),
        el("p", {}, "Rows that carry both, how many would if the two had nothing to do with each other, and what share of the rarer label's rows that is."),
        el("div", { class: "scroll short", tabindex: 0, role: "region", "aria-label": "Pairs far above chance" },
          el("table", { class: "pairs" },
            el("thead", {}, el("tr", {}, ["Pair", "Rows", "By chance", "Ratio", "Of the rarer"].map((head, k) => el("th", { scope: "col", class: k ? "figure" : null }, head)))),
            el("tbody", {}, lines))),
      ),
    );
  }
  return el("div", { class: "together" }, parts);
}
