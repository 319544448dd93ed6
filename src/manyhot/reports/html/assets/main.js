// Start here: unpack, then show section by section.

async function main() {
  const { page, packed } = await payload();
  page.rowOf = new Map(page.rows.named.map((row) => [row.row, row]));
  page.suspectsOf = new Map();
  for (const entry of page.rows.label_errors) page.suspectsOf.set(entry.row, [...(page.suspectsOf.get(entry.row) ?? []), entry]);
  page.unlabelled = new Set(page.rows.without_prediction);
  const thresholds = new Thresholds(page, packed);
  showData(page);
  showTraining(page);
  showCalibration(page);
  const panel = new LabelPanel(page, thresholds);
  const choose = (j) => {
    table.choose(j);
    panel.choose(j);
  };
  const table = new LabelTable(page, thresholds, (j) => {
    history.replaceState(null, "", address(page.labels.label[j]));
    choose(j);
    panel.node.scrollIntoView({ block: "nearest" });
  });
  document.getElementById("labels-view").append(thresholdsView(page, thresholds), table.node, printedNote(thresholds.n), panel.node, ...printButtons(page, thresholds));
  showRows(page);
  printWhole(page);
  choose(page.summary.weakest[0] ?? 0);
  const places = new Map(page.labels.label.map((text, j) => [address(text), j]));
  const follow = () => {
    if (location.hash.startsWith("#pair=")) return page.showPair(Number(location.hash.slice("#pair=".length)));
    if (location.hash === "#without-prediction" && page.unlabelled.size) return page.showUnlabelled();
    const j = places.get(location.hash) ?? places.get(address(decoded(location.hash.slice("#label=".length))));
    if (j === undefined || !location.hash.startsWith("#label=")) return;
    choose(j);
    panel.node.scrollIntoView({ block: "start" });
    document.getElementById("label-name").focus({ preventScroll: true });
  };
  addEventListener("hashchange", follow);
  // The address of the label or pair shown may be followed again.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#label="], a[href^="#pair="], a[href="#without-prediction"]');
    if (link && link.getAttribute("href") === location.hash) follow();
  });
  follow();
  markSection();
  showCues();
  keepClear();
  document.documentElement.dataset.ready = "true";
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const ARRIVAL = 1500; // milliseconds that scrolling to a section may take

// The section on the screen, marked in the navigation. One that was asked for stays marked while its head is on the
// screen: the last sections may not reach the top.
function markSection() {
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.getAttribute("href").slice(1), link]));
  const isSeen = new Map();
  let asked = null, isArriving = false;
  const mark = () => {
    if (asked !== null && !isArriving && !isOnScreen(document.getElementById(`${asked}-h`))) asked = null;
    const current = asked ?? [...links.keys()].find((id) => isSeen.get(id));
    for (const [id, link] of links) {
      if (id === current) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const link = links.get(current);
    const strip = link?.closest("nav");
    if (strip && strip.scrollWidth > strip.clientWidth) strip.scrollLeft = link.offsetLeft - strip.clientWidth / 3;
  };
  const arrive = () => {
    isArriving = false;
    mark();
  };
  for (const [id, link] of links) {
    link.addEventListener("click", () => {
      [asked, isArriving] = [id, true];
      mark();
      addEventListener("scrollend", arrive, { once: true });
      setTimeout(arrive, ARRIVAL);
    });
  }
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) isSeen.set(entry.target.id, entry.isIntersecting);
    mark();
  }, { rootMargin: "-20% 0px -60% 0px" });
  for (const id of links.keys()) observer.observe(document.getElementById(id));
}

// A line above each table that is wider than the screen.
function showCues() {
  const pairs = [...document.querySelectorAll(".scroll")].map((view) => {
    const cue = el("p", { class: "cue", hidden: true }, "↔ Scroll sideways for more columns.");
    view.before(cue);
    return [view, cue];
  });
  const show = () => {
    for (const [view, cue] of pairs) cue.hidden = view.scrollWidth <= view.clientWidth + 1;
  };
  addEventListener("resize", show);
  document.addEventListener("toggle", show, true); // what was folded has no width
  show();
}

// The strip covers what glides below it: links lead to a place under it, and the heads of tables stay there.
function keepClear() {
  const strip = document.querySelector(".strip");
  const tables = [...document.querySelectorAll(".tall table, .short table")].map((node) => ({ node, covered: 0 }));
  const place = () => {
    const { bottom, height } = strip.getBoundingClientRect();
    document.documentElement.style.setProperty("--strip", `${height}px`);
    const boxes = tables.map(({ node }) => node.parentElement.getBoundingClientRect());
    tables.forEach((table, k) => {
      const { node } = table;
      const covered = Math.max(0, Math.min(bottom - boxes[k].top - node.parentElement.clientTop, boxes[k].height - 2 * node.tHead.offsetHeight));
      if (covered === table.covered) return;
      table.covered = covered;
      node.tHead.style.setProperty("--covered", `${covered}px`);
    });
  };
  addEventListener("scroll", place, { passive: true });
  new ResizeObserver(place).observe(strip);
}

function isOnScreen(node) {
  const { top, bottom } = node.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}

main().catch((error) => {
  const trouble = document.getElementById("trouble");
  trouble.textContent = `This page could not be shown in full (${error.message}). It needs a browser of 2024 or later.`;
  trouble.hidden = false;
});
