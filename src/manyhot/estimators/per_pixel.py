"""The part of a classifier for labels of every pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from manyhot.backend import keep_compiled_programs
from manyhot.config.training import OWN, Plan, Runtime
from manyhot.data.feature_input import given_targets, row_weights
from manyhot.data.pixel_targets import PixelTargets, as_pixel_targets, is_pixel_targets
from manyhot.data.samples import Samples
from manyhot.errors import InputError
from manyhot.estimators.progress import watching
from manyhot.models.segmentation import pictures_of
from manyhot.models.segmentation.model import PixelModel, check_no_skips, train_pixels

CHANNELS = {"auto": None, "grey": 1, "colour": 3}


class PerPixel:
    """`fit` for images whose pixels have labels, and what such models cannot do."""

    model_: Any
    network: Any
    labels: Any
    quiet: bool
    on_bad_image: str
    _settings: Callable[[type], Any]

    def _gives_pixels(self, X: Any, y: Any) -> bool:
        """Whether the targets are those of pixels."""
        return is_pixel_targets(X.targets if y is None and isinstance(X, Samples) else y)

    def _pixel_model(self, X: Any, y: Any, sample_weight: Any) -> PixelModel:
        """Train on images and the labels of their pixels; sets `n_features_in_`."""
        plan, runtime = self._settings(Plan), self._settings(Runtime)
        if plan.network == OWN:
            raise InputError("a Keras model of your own gives no labels of pixels; say 'unet'", argument="network")
        check_no_skips(self.on_bad_image)
        keep_compiled_programs(runtime.compilation_cache)
        samples = X if isinstance(X, Samples) else None
        y, names = given_targets(samples, y, self.labels)
        space, targets = as_pixel_targets(y, names)
        pictures = pictures_of(X, CHANNELS[(plan.image_settings or {}).get("channels", "auto")])
        weights = None if sample_weight is None else row_weights(sample_weight, targets.n_samples)
        ids, notes = (samples.ids, tuple(samples.notes)) if samples is not None else (None, ())
        with watching(self.quiet) as watch:
            model = train_pixels(pictures, space, targets, plan, runtime, weights, ids, watch, notes)
        self.n_features_in_ = 1
        return model

    def pixel_targets(self, X: Any, y: Any = None) -> PixelTargets:
        """Targets of pixels in the order of the model's labels: by name where they carry names, else as they stand.

        Args:
            X: `Samples`, which bring their targets, or anything.
            y: As for `fit`; None for those of `Samples`.

        Raises:
            InputError: Other labels than the model's.
        """
        known = self.model_.labels.names
        y, names = given_targets(X if isinstance(X, Samples) else None, y, None)
        if not is_pixel_targets(y):
            raise InputError("the model gives every pixel its labels, so targets are (n, h, w, l)", argument="y")
        space, targets = as_pixel_targets(y, names or (known if len(known) == _n_labels(y) else None))
        if sorted(space.names) != sorted(known):
            raise InputError(f"the labels are {list(space.names)[:8]}, expected {list(known)[:8]}", argument="y")
        return targets.in_order([space.names.index(name) for name in known])

    def refuse_pixels(self, what: str) -> None:
        """Raise where the model gives every pixel its labels.

        Args:
            what: What cannot be done, as the beginning of a sentence.
        """
        if isinstance(getattr(self, "model_", None), PixelModel):
            raise InputError(f"{what}; this one gives every pixel its labels")


def _n_labels(y: Any) -> int:
    return int(y.n_labels if hasattr(y, "n_labels") else y[0].shape[-1])
