"""What training says of itself: to callbacks while it runs, and by its curves afterwards."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from manyhot import engine
from manyhot.config.executor import check_executor
from manyhot.errors import InputError, ManyhotWarning
from manyhot.estimators import callback_context
from manyhot.estimators.base import BaseMultiLabelEstimator

Follow = Callable[["engine.ProgressCallback | None"], "engine.ProgressCallback | None"]
"""Makes of what shows progress what follows epochs, too."""


def callback_support() -> Any:
    """scikit-learn's own `sklearn.callback`, or what stands in for it in versions before 1.9."""
    try:
        from sklearn import callback  # it imports rich, which takes longer than all else of an estimator without one
    except ImportError:
        return callback_context
    return callback


class FollowedTraining(BaseMultiLabelEstimator):
    """Callbacks and training curves of an estimator that trains networks of ours."""

    executor: Any
    _callbacks: tuple[Any, ...] = ()

    def set_callbacks(self, *callbacks: Any) -> Self:
        """Set what follows training, by scikit-learn's callback protocol (1.9); without arguments, nothing does.

        A callback has the methods `setup`, `on_fit_task_begin`, `on_fit_task_end` and `teardown`; those of
        `sklearn.callback` work. Tasks are the fit, its stages (one, or several where epochs are searched or a backbone
        is fine-tuned) and in each its epochs, with `context.task_name` "epoch". An epoch is one of all members, which
        train side by side then. `metadata` of its end has `stage`, `epoch` (from 1), `n_epochs`, `loss`, `val_loss`
        (NaN without early stopping), `members_done` and `n_members`. Where `on_fit_task_end` of an epoch or a stage
        returns True, training ends, and what is trained so far becomes the model.

        Callbacks are no parameters. A clone has the same ones, a pickled classifier takes them along, a saved model
        has none. They change no bit of a model that they do not end.

        Args:
            callbacks: Objects with these methods.

        Returns:
            The classifier itself.

        Raises:
            TypeError: A callback without one of the methods.
        """
        callback_context.check_callbacks(callbacks)
        callback_support().CallbackSupportMixin.set_callbacks(self, *callbacks)
        if callbacks:
            self._callbacks = callbacks
        else:
            self.__dict__.pop("_callbacks", None)
        return self

    @property
    def history_(self) -> dict[str, np.ndarray]:
        """The training curves of each member of the m members, as `fit` left them.

        `loss` and `val_loss`, float32 (m, epochs), are the losses of training and of the rows for early stopping, NaN
        after a member's end (and `val_loss` everywhere without early stopping); `best_epoch`, int (m,), is the number
        of epochs after which a member's weights were taken.

        Raises:
            InputError: A model that was saved without its evidence.
        """
        check_is_fitted(self)
        evidence = self.model_.evidence
        if evidence is None:
            raise InputError("the model was saved without evidence, which has the training curves")
        loss, validation_loss = np.moveaxis(evidence.curves, 2, 0).copy()
        return {"loss": loss, "val_loss": validation_loss, "best_epoch": evidence.best_epoch.copy()}

    def __sklearn_clone__(self) -> Any:
        """A clone that the same callbacks follow, as scikit-learn's clones have them from 1.9 on."""
        twin = super().__sklearn_clone__()
        return twin.set_callbacks(*self._callbacks) if self._callbacks else twin

    def _run_fit(self, train: Callable[[Follow], Any], X: Any = None, y: Any = None, sample_weight: Any = None) -> Self:
        """Train, as a task that callbacks follow; without any, nothing else happens."""
        if not self._callbacks:
            train(lambda progress: progress)
            return self
        if check_executor("executor", self.executor) is not None:
            warnings.warn(
                "members are trained by the processes of an executor, so callbacks see the fit but none of its epochs; "
                "executor=None trains here",
                ManyhotWarning,
                stacklevel=3,
            )

        def run(estimator: FollowedTraining) -> FollowedTraining:
            tasks = FitTasks(estimator, X, y, sample_weight)
            train(tasks.follow)
            tasks.end()
            return estimator

        return callback_support().with_callbacks(run)(self)


class FitTasks:
    """The tasks of one fit, as its callbacks see them; an `engine.EpochFollower`."""

    def __init__(self, estimator: FollowedTraining, X: Any, y: Any, sample_weight: Any) -> None:
        self.estimator, self.data = estimator, {"X": X, "y": y}
        self.metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.is_stopped, self.note = False, ""
        self.stage: dict[str, Any] = {}
        # by name and not by inheritance, so that estimators are imported without it; scikit-learn documents the method
        self.fit = callback_support().CallbackSupportMixin._init_callback_context(estimator, max_subtasks=None)
        self.fit.call_on_fit_task_begin(estimator=estimator, metadata=self.metadata, **self.data)

    def follow(self, progress: engine.ProgressCallback | None) -> engine.ProgressCallback:
        """What the engine is to call."""
        return engine.FollowedProgress(self, progress)

    def begin_stage(self, stage: str, n_epochs: int) -> None:
        """A part of training begins."""
        self.stage = {"stage": stage or "training", "n_epochs": n_epochs}
        self.stage_task = self.fit.subcontext(task_name=self.stage["stage"], max_subtasks=n_epochs)
        self.stage_task.call_on_fit_task_begin(estimator=self.estimator, metadata=self.stage, **self.data)

    def begin_epoch(self, number: int) -> None:
        """An epoch begins."""
        self.epoch_task = self.stage_task.subcontext(task_name="epoch")
        metadata = {**self.stage, "epoch": number}
        self.epoch_task.call_on_fit_task_begin(estimator=self.estimator, metadata=metadata, **self.data)

    def end_epoch(self, epoch: engine.Epoch) -> bool:
        """An epoch has ended; whether a callback ends training, or has ended it before."""
        metadata = {
            **self.stage,
            "epoch": epoch.number,
            "loss": epoch.loss,
            "val_loss": epoch.validation_loss,
            "members_done": epoch.n_finished,
            "n_members": epoch.n_members,
        }
        is_end = self.epoch_task.call_on_fit_task_end(estimator=self.estimator, metadata=metadata, **self.data)
        if is_end and not self.is_stopped:
            stage = "" if self.stage["stage"] == "training" else f" ({self.stage['stage']})"
            self.note = f"A callback ended training after epoch {epoch.number} of {epoch.n_epochs}{stage}."
        self.is_stopped |= is_end
        return self.is_stopped

    def end_stage(self) -> None:
        """A part of training has ended."""
        is_end = self.stage_task.call_on_fit_task_end(estimator=self.estimator, metadata=self.stage, **self.data)
        if is_end and not self.is_stopped:
            self.note = f"A callback ended training after a part of it ({self.stage['stage']})."
        self.is_stopped |= is_end

    def end(self) -> None:
        """The fit has ended, and the estimator is fitted."""
        if self.note:
            self.estimator.model_.report["notes"].append(self.note)
        self.fit.call_on_fit_task_end(
            estimator=self.estimator, metadata=self.metadata, reconstruction_attributes={}, **self.data
        )
