// The losses of all members, and where each stopped.

function showTraining(page) {
  const view = document.getElementById("training-view");
  const told = page.training;
  if (!told) {
    view.append(el("p", {}, "This model's file keeps no training curves (it was saved without evidence)."));
    return;
  }
  const kept = told.best_epoch.slice().sort((a, b) => a - b);
  const [first, last] = [kept[0], kept[kept.length - 1]];
  const epochs = first === last ? `after epoch ${last}` : `after epochs ${first} to ${last}`;
  const shown = told.shown < told.members ? ` The first ${told.shown} are drawn.` : "";
  view.append(el("p", { class: "lead" }, `${counted(told.members, "member")}, one line each; a dot marks the weights that were kept, ${epochs}.${shown}`));
  const charts = [curvesChart("Loss on the rows of training", told, told.training)];
  if (told.stopping.length) charts.push(curvesChart("Loss on the rows that tell when to stop", told, told.stopping));
  view.append(el("div", { class: "charts two" }, charts));
}

function curvesChart(title, told, curves) {
  const values = curves.flat().filter((value) => value !== null);
  const high = Math.max(...values);
  const low = Math.min(...values);
  const edge = (high - low || high || 1) * 0.05;
  const at = frame({
    title: `${title}: from ${number(Math.max(...curves.map((curve) => curve[0] ?? 0)))} at first down to ${number(low)}`,
    x: { low: told.epochs[0], high: told.epochs[told.epochs.length - 1], name: "epoch" },
    y: { low: Math.max(0, low - edge), high: high + edge },
    width: document.documentElement.clientWidth < 640 ? WIDTH : 520,
    height: 240,
    left: 48,
  });
  const dots = svg("g");
  curves.forEach((curve, member) => {
    at.root.append(path(at, curve.map((value, k) => [told.epochs[k], value]), { class: "member" }));
    const best = told.best_epoch[member];
    let k = told.epochs.findIndex((epoch) => epoch >= best);
    if (k > 0 && (curve[k] === null || best - told.epochs[k - 1] < told.epochs[k] - best)) k--;
    if (k >= 0 && curve[k] !== null) {
      const dot = svg("circle", { class: "kept", cx: at.sx(told.epochs[k]), cy: at.sy(curve[k]), r: 3.5 });
      dot.append(svg("title", {}, `member ${member + 1}: kept after epoch ${best} of ${told.ended[member]}`));
      dots.append(dot);
    }
  });
  at.root.append(dots);
  return figure(title, at.root);
}
