// Printing: nothing stays folded or scrolled away, and by a button every label has its panel.

// Opens what is folded for as long as the page is printed.
function printWhole(page) {
  let undo = [];
  addEventListener("beforeprint", () => {
    if (undo.length) return;
    for (const details of document.querySelectorAll("details:not([open])")) {
      details.open = true;
      undo.push(() => details.removeAttribute("open"));
    }
    undo.push(page.showAllRows());
  });
  addEventListener("afterprint", () => {
    for (const step of undo) step();
    undo = [];
  });
}

// One label as it is printed: without controls.
function printedLabel(page, thresholds, j) {
  const marks = [];
  const counts = thresholds.isMovable ? confusionTable() : null;
  const node = el("div", { class: "panel" }, el("h3", {}, name(page.labels.label[j])), el("p", {}, labelFacts(page, j)));
  if (counts) {
    const now = thresholds.now(j);
    node.append(el("p", {}, `At the threshold ${number(thresholds.value(j))}: precision ${number(now.precision)}, recall ${number(now.recall)}, F1 ${number(now.f1)}.`), counts.node);
    counts.show(thresholds, j, now);
    for (const output of counts.node.querySelectorAll("output")) output.removeAttribute("id");
  }
  node.append(labelCharts(page, thresholds, j, marks), labelErrors(page, j));
  if (counts) for (const mark of marks) mark(thresholds.value(j), thresholds.now(j));
  return node;
}

// Above the panel, on paper: whose it is, and how to print all.
function printedNote(n) {
  return n === 1 ? "" : el("p", { class: "printed", id: "printed-one" }, `Only the label below is printed with its charts and errors. For all of them, open the report in a browser and press “Print with all ${counted(n, "label")}”.`);
}

function printButtons(page, thresholds) {
  const all = el("div", { id: "all-panels" });
  const n = thresholds.n;
  const one = el("button", { type: "button", id: "print", onclick: () => print() }, "Print with this label");
  const every = el("button", { type: "button", id: "print-all", onclick: () => {
    all.replaceChildren(...page.labels.label.map((_, j) => printedLabel(page, thresholds, j)));
    document.documentElement.classList.add("all-labels");
    addEventListener("afterprint", () => {
      document.documentElement.classList.remove("all-labels");
      all.replaceChildren();
    }, { once: true });
    print();
  } }, `Print with all ${counted(n, "label")}`);
  return [el("p", { class: "buttons", id: "print-buttons" }, one, n > 1 ? every : null), all];
}
