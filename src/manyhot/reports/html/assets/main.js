// Start here: unpack, then show section by section.

async function main() {
  const { page, packed } = await payload();
  page.rowOf = new Map(page.rows.named.map((row) => [row.row, row]));
  const thresholds = new Thresholds(page, packed);
  showData(page);
  showTraining(page);
  const panel = new LabelPanel(page, thresholds);
  const choose = (j) => {
    table.choose(j);
    panel.choose(j);
  };
  const table = new LabelTable(page, thresholds, (j) => {
    choose(j);
    panel.node.scrollIntoView({ block: "nearest" });
  });
  document.getElementById("labels-view").append(thresholdsView(page, thresholds), table.node, panel.node);
  let first = 0;
  page.labels.support.forEach((rows, j) => {
    if (rows > page.labels.support[first]) first = j;
  });
  choose(first);
  showRows(page);
  document.documentElement.dataset.ready = "true";
}

main().catch((error) => {
  const trouble = document.getElementById("trouble");
  trouble.textContent = `This page could not be shown in full (${error.message}). A browser of 2023 or later is needed.`;
  trouble.hidden = false;
});
