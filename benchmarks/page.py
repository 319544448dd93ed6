"""How large a page of many rows and labels is, how long it takes to make and, with Chromium, to open and to use.

    python benchmarks/page.py [rows] [labels]

Rows are made up: 983 labels as frequent as words (a few in a fifth of the rows, most in a few in a thousand), and
scores that tell something. Nothing is trained. Printed as JSON.
"""

import json
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.evaluation.data_checks import check_data
from manyhot.evaluation.label_errors import find_label_errors
from manyhot.evaluation.report import ReportContext, measure_report
from manyhot.reports.html import PageInputs, measure_page, render

OPENINGS = 5
STEPS = """() => {
  const slider = document.getElementById("threshold");
  const times = [];
  for (let k = 0; k < 20; k++) {
    const start = performance.now();
    slider.value = String(0.1 + 0.01 * k);
    slider.dispatchEvent(new Event("input"));
    document.body.offsetHeight;
    times.push(performance.now() - start);
  }
  return times;
}"""


def made_up(n_rows: int, n_labels: int) -> tuple[Targets, np.ndarray]:
    generator = np.random.default_rng(0)
    share = np.clip(0.3 / np.arange(1, n_labels + 1) ** 0.8, 0.001, None)
    topic, topic_of = generator.integers(0, 20, n_rows), generator.integers(0, 20, n_labels)
    noise = generator.normal(size=(2, n_rows, n_labels)).astype(np.float32)
    logits = np.log(share / (1 - share)).astype(np.float32) + 3 * (topic[:, None] == topic_of) - 1 + 1.2 * noise[0]
    values = generator.random((n_rows, n_labels), dtype=np.float32) < 1 / (1 + np.exp(-logits))
    return Targets(values), (1 / (1 + np.exp(-logits - 0.7 * noise[1]))).astype(np.float32)


def main() -> None:
    n_rows, n_labels = [int(word) for word in sys.argv[1:]] or (20_000, 983)
    targets, scores = made_up(n_rows, n_labels)
    space, thresholds = LabelSpace(tuple(f"label {j:04d}" for j in range(n_labels))), np.full(n_labels, 0.3)
    ids, own = np.arange(1, n_rows + 1).astype(str), scores >= 0.3
    seconds, start = {}, time.perf_counter()

    def timed(name: str) -> None:
        nonlocal start
        seconds[name] = round(time.perf_counter() - start, 2)
        start = time.perf_counter()

    report = measure_report(space, targets, scores, own, scores >= 0.5, thresholds, ReportContext())
    timed("report")
    data_checks = check_data(None, targets, labels=space.names)
    timed("data checks")
    label_errors = find_label_errors(scores, targets, ids, space)
    timed("label errors")
    told = {"thresholds": thresholds, "label_errors": label_errors, "title": "made up"}
    page = measure_page(PageInputs(space, targets, scores, own, own, report, ids, data_checks, "", **told))
    timed("metric")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        path.write_text(render(page), encoding="utf-8")
        timed("render")
        found = {"rows": n_rows, "labels": n_labels, "mib": round(path.stat().st_size / 2**20, 2), "seconds": seconds}
        found["n_resamples"] = page["intervals"]["n_resamples"]
        found["peak_gib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
        print(json.dumps(found | opened(path)))


def opened(path: Path) -> dict[str, object]:
    """Seconds until a browser shows all of the page, and milliseconds that a step of the slider takes."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return {}
    from playwright.sync_api import sync_playwright

    shown, steps = [], []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(OPENINGS):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            start = time.perf_counter()
            page.goto(path.as_uri())
            page.wait_for_selector("html[data-ready]")
            shown.append(round(time.perf_counter() - start, 2))
            steps += page.evaluate(STEPS)
            page.close()
        browser.close()
    return {"open_seconds": shown, "step_ms_median": round(float(np.median(steps)), 1)}


if __name__ == "__main__":
    main()
