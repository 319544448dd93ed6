// The losses of all members, and where each stopped.

function showTraining(page) {
  const view = document.getElementById("training-view");
  const training = page.training;
  if (!training) {
    view.append(el("p", {}, "This model's file keeps no training curves (it was saved without evidence)."));
    return;
  }
  const bestEpochs = training.best_epoch.slice().sort((a, b) => a - b);
  const [first, last] = [bestEpochs[0], bestEpochs[bestEpochs.length - 1]];
  const epochs = first === last ? `after epoch ${last}` : `after epochs ${first} to ${last}`;
  const shown = training.n_shown < training.n_members ? ` The first ${training.n_shown} are drawn.` : "";
  view.append(el("p", { class: "lead" }, `${counted(training.n_members, "member")}, one line each; a dot marks the weights that were kept, ${epochs}.${shown}`));
  const charts = [curvesChart("Loss on the rows of training", training, training.training)];
  if (training.validation.length) charts.push(curvesChart("Loss on the rows that tell when to stop", training, training.validation));
  view.append(el("div", { class: "charts two" }, charts));
}

function curvesChart(title, training, curves) {
  const values = curves.flat().filter((value) => value !== null);
  const high = Math.max(...values);
  const low = Math.min(...values);
  const edge = (high - low || high || 1) * 0.05;
  const at = frame({
    title: `${title}: from ${number(Math.max(...curves.map((curve) => curve[0] ?? 0)))} at first down to ${number(low)}`,
    x: { low: training.epochs[0], high: training.epochs[training.epochs.length - 1], name: "epoch" },
    y: { low: Math.max(0, low - edge), high: high + edge },
    width: document.documentElement.clientWidth < 640 ? WIDTH : 520,
    height: 240,
    left: 48,
  });
  const dots = svg("g");
  curves.forEach((curve, member) => {
    at.root.append(path(at, curve.map((value, k) => [training.epochs[k], value]), { class: "member" }));
    const best = training.best_epoch[member];
    let k = training.epochs.findIndex((epoch) => epoch >= best);
    if (k > 0 && (curve[k] === null || best - training.epochs[k - 1] < training.epochs[k] - best)) k--;
    if (k >= 0 && curve[k] !== null) {
      const dot = svg("circle", { class: "kept", cx: at.sx(training.epochs[k]), cy: at.sy(curve[k]), r: 3.5 });
      dot.append(svg("title", {}, `member ${member + 1}: kept after epoch ${best} of ${training.n_epochs[member]}`));
      dots.append(dot);
    }
  });
  at.root.append(dots);
  return figure(title, at.root);
}
