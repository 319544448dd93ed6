"""`manyhot evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.cli.jobs import many
from manyhot.cli.jobs.picturing import mistakes_folder, refuse_pictures
from manyhot.cli.jobs.reading import legend_of
from manyhot.cli.jobs.speech import answer, tell
from manyhot.draws import picture_mistakes
from manyhot.encode.images import bad_words
from manyhot.errors import InputError
from manyhot.labels import Targets
from manyhot.loading import load
from manyhot.many import ManyLabelClassifier
from manyhot.pixel_model import PixelModel, pixel_report
from manyhot.read import read
from manyhot.reading import extra_columns, options_for
from manyhot.report import Facts, Report, build


def run(
    bundle: Path,
    file: Path,
    told: Mapping[str, Any],
    unknown_labels: str,
    as_json: bool,
    quiet: bool,
    text: Path | None = None,
    pictures: Path | None = None,
) -> None:
    """Read, score, measure at the model's own thresholds and at 0.5; draw the worst mistakes where asked for."""
    classifier = load(bundle, text=None if text is None else str(text))
    if isinstance(classifier, ManyLabelClassifier):
        refuse_pictures(pictures)
        many.evaluate(classifier, file, told, unknown_labels, as_json, quiet)
        return
    told = {**told, "legend": legend_of(told["legend"])}
    folder = None if pictures is None else mistakes_folder(classifier.model_, pictures)
    samples = read(file, options_for(classifier, told, unknown_labels=unknown_labels), needed_by="an evaluation")
    tell([*samples.notes, *extra_columns(classifier, samples)], quiet)
    if samples.targets is None:
        raise InputError("there are no labels in this file to evaluate on; name them with --labels", file=file)
    model = classifier.model_
    classifier.on_bad_image = told["on_bad_image"]
    if isinstance(model, PixelModel):
        values = pixel_report(model, classifier.features_of(samples), classifier.pixel_targets(samples), samples.notes)
        values |= {"model": str(bundle), "file": str(file), "thresholds": classifier.thresholds_}
        answer(values, str(Report(values)), as_json)
        return
    features = classifier.features_of(samples)
    raw, bad = classifier.scored(features, is_calibrated=False, samples=samples)
    targets, ids = samples.targets, samples.ids_or_numbers()
    assert isinstance(targets, Targets)
    if bad:
        left_out = bad_words(bad, "left out", samples)
        tell([left_out], quiet)
        is_good = ~np.isnan(raw).any(axis=1)
        raw, targets, samples = raw[is_good], targets.take(is_good), replace(samples, notes=(*samples.notes, left_out))
        features, ids = features[np.flatnonzero(is_good)], ids[is_good]
    scores = model.decider.scores(raw)
    thresholds = model.decider.thresholds
    facts = Facts(
        scores_from="new",
        members=model.n_members,
        notes=list(samples.notes),
        raw_scores=None if model.decider.calibration.is_identity else raw,
        answering=model.decider.described(),
    )
    values = build(model.labels, targets, scores, model.decider.answers(scores), scores >= 0.5, thresholds, facts)
    values |= {"model": str(bundle), "file": str(file), "thresholds": classifier.thresholds_}
    if folder is not None:
        files = picture_mistakes(model, features, targets, scores, ids.tolist(), folder)
        values["pictures"] = {name: str(path) for name, path in files.items()}
        tell([f"pictures of the worst mistakes of {len(files)} of {len(model.labels)} labels are in {folder}"], quiet)
    answer(values, str(Report(values)), as_json)
