// The losses of all members, and where each stopped.

function showTraining(page) {
  const view = document.getElementById("training-view");
  if (!view) return; // nothing was trained
  const training = page.training;
  if (!training) {
    view.append(el("p", {}, "The model file has no training curves (it was saved without evidence)."));
    return;
  }
  const bestEpochs = training.best_epoch.slice().sort((a, b) => a - b);
  const [first, last] = [bestEpochs[0], bestEpochs[bestEpochs.length - 1]];
  const epochs = first === last ? `epoch ${last}` : `epochs ${first} to ${last}`;
  const shown = training.n_shown < training.n_members ? ` The first ${training.n_shown} are shown.` : "";
  view.append(el("p", { class: "lead" }, `The loss of ${training.n_members === 1 ? "the network" : `each of the ${training.n_members} networks`} by epoch; the weights of ${epochs} were kept.${shown}`));
  const charts = [curvesChart("Training loss", training, training.training)];
  if (training.validation.length) charts.push(curvesChart("Validation loss", training, training.validation));
  view.append(el("div", { class: "charts" }, charts));
}

function curvesChart(title, training, curves) {
  const values = curves.flat().filter((value) => value !== null);
  const high = Math.max(...values);
  const low = Math.min(...values);
  const edge = (high - low || high || 1) * 0.05;
  const at = frame({
    title: `${title}: from ${number(Math.max(...curves.map((curve) => curve[0] ?? 0)))} at first down to ${number(low)}`,
    x: { low: training.epochs[0], high: training.epochs[training.epochs.length - 1], name: "epoch" },
    y: { low: Math.max(0, low - edge), high: high + edge, name: "loss" },
    width: pageWidth(520),
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
      dot.append(svg("title", {}, `network ${member + 1}: weights of epoch ${best} of ${training.n_epochs[member]}`));
      dots.append(dot);
    }
  });
  at.root.append(dots);
  return figure(title, at.root, legend(["member", "one network"], ["kept", "weights kept"]));
}
