"""Rows, scores and answers without any training."""

import numpy as np

from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.evaluation.data_checks import check_data
from manyhot.evaluation.label_errors import find_label_errors
from manyhot.evaluation.report import ReportContext, measure_report
from manyhot.reports.html import PageInputs


def make_page_inputs(names=("a", "b", "c", "never"), n=150, seed=0, share_known=0.9, share_wrong=0, **more):
    """What a page is made of, of made-up rows; some targets are unknown or wrong, and the last label never holds."""
    generator = np.random.default_rng(seed)
    values = generator.random((n, len(names))) < np.linspace(0.5, 0.1, len(names))
    values[:, -1] = False
    scores = np.clip(0.5 * values + 0.6 * generator.random(values.shape), 0, 1).astype(np.float32)
    scores[:3, 0], scores[3:6, 0], scores[6, 1] = 0.3, np.float32(0.25), 1.0
    if share_wrong:
        values ^= generator.random(values.shape) < share_wrong
    targets = Targets(values, None if share_known == 1 else generator.random(values.shape) < share_known)
    space, thresholds = LabelSpace(tuple(names)), np.full(len(names), 0.437)
    decisions = scores >= thresholds
    ids = np.array([f"row {k}" for k in range(n)])
    report = measure_report(space, targets, scores, decisions, scores >= 0.5, thresholds, ReportContext())
    data_checks = check_data(None, targets, labels=space.names)
    settings = {"thresholds": thresholds, "label_errors": find_label_errors(scores, targets, ids, space), **more}
    return PageInputs(space, targets, scores, decisions, decisions, report, ids, data_checks, "All of it.", **settings)
