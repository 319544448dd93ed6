"""`load`: a classifier out of a saved file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from manyhot import networks
from manyhot.config.images import without_weights_file
from manyhot.config.text import without_paths
from manyhot.config.training import TrainingConfig
from manyhot.encoders.text.columns import TextColumns
from manyhot.encoders.text.custom import CachedTextFunction, PretrainedEncoder, TextFunction
from manyhot.encoders.text.onnx.encoder import OnnxEncoder
from manyhot.errors import InputError
from manyhot.estimators.decision_layer import DecisionLayer
from manyhot.estimators.extreme import ExtremeMultiLabelClassifier
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.models.score_model import ScoreModel
from manyhot.persistence import container, model_file
from manyhot.persistence.extreme_model import is_extreme
from manyhot.persistence.hub import download, is_hub_address


def load(
    path: str | Path,
    custom_objects: Mapping[str, Any] | None = None,
    text: TextFunction | str | None = None,
    revision: str | None = None,
) -> MultiLabelClassifier | DecisionLayer | ExtremeMultiLabelClassifier:
    """Open a file that `save` of a classifier, `manyhot train` or `manyhot decide` wrote, as the class that wrote it.

    Args:
        path: The bundle; `hf://OWNER/NAME/FILE` is one on the Hugging Face Hub, where huggingface-hub is installed
            (the extra `hub`).
        custom_objects: Name -> class of your own layers and models that a Keras model of yours needs; a file that
            needs any is refused without them.
        text: The function that makes numbers of texts, for a model that was trained with one, or the folder of the
            pretrained transformer or of the model in ONNX. It is tried on a few sentences first; without it everything
            works but what needs features. No file says itself what is opened for it.
        revision: Branch, tag or commit of a file on a hub; None for its newest version.

    Raises:
        BundleError: The file is missing, damaged, altered, newer than this version, or no bundle at all; or it could
            not be fetched.
        InputError: A function that makes other numbers than the one of training, or one for a model that takes none.
    """
    if is_hub_address(path):
        path = download(str(path), revision)
    elif revision is not None:
        raise InputError("belongs to a path that begins with hf://", argument="revision")
    contents = container.read(path)
    if is_extreme(contents):
        if text is not None:
            raise InputError("models of very many labels take no function", argument="text")
        return ExtremeMultiLabelClassifier._from_contents(contents, path)
    model, facts = model_file.construct(contents, path, custom_objects or {})
    if isinstance(model, ScoreModel):
        if text is not None:
            raise InputError("decisions on scores take no function", argument="text")
        return DecisionLayer._from_model(model, facts)
    settings = {f.name: getattr(model.config, f.name) for f in fields(TrainingConfig)}
    settings["text_params"] = without_paths(model.config.text, model.config.text_params)
    settings["image_params"] = without_weights_file(model.config.image_params)
    labels = model.labels.to_list() if facts["has_fixed_labels"] else None
    classifier = MultiLabelClassifier(labels=labels, **settings)
    classes = facts["classes"]
    classifier._set_model(model, None if classes is None else np.asarray(classes), facts["read_options"])
    encoder = model.encoder
    if text is not None:
        if not encoder.text_columns:
            raise InputError("the model has no texts, so it takes no function", argument="text")
        _attach(encoder.texts, text)
        if isinstance(text, str):
            setting = "model" if isinstance(encoder.texts.encoders[0], OnnxEncoder) else "preset"
            classifier.text_params = {**(classifier.text_params or {}), setting: text}
        else:
            classifier.text = text
    if encoder.column_types:
        classifier.feature_names_in_ = np.asarray(encoder.names, dtype=object)
    is_arrays = encoder.takes_arrays and not encoder.names
    sizes = [int(np.prod(shape)) for shape in encoder.shapes().values()]
    classifier.n_features_in_ = sum(sizes) if is_arrays else len(encoder.names)
    if model.network.custom is not None:
        classifier.network = model.network.custom
    return classifier


def _attach(texts: TextColumns, text: TextFunction | str) -> None:
    first = texts.encoders[0]
    if isinstance(first, PretrainedEncoder) and isinstance(text, str):
        texts.attach(
            CachedTextFunction(
                networks.preset_function(text, first.max_tokens), first.name, first.cache, f"{first.max_tokens}"
            )
        )
    elif isinstance(first, OnnxEncoder) and isinstance(text, str):
        texts.attach(first.open_folder(text))
    elif isinstance(text, str):
        raise InputError(f"got {text!r}, expected the function that the model was trained with", argument="text")
    else:
        texts.attach(text)
