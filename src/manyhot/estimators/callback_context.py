"""The part of scikit-learn 1.9's `sklearn.callback` that one estimator needs, in the same words, for 1.7 and 1.8.

Those versions have no callbacks, so nothing hands any to an estimator inside a pipeline or a search: tasks have a root.
"""

from __future__ import annotations

import functools
import inspect
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from datetime import UTC, datetime
from typing import Any, Self

HOOKS = ("setup", "on_fit_task_begin", "on_fit_task_end", "teardown")
VALUES = ("X", "y", "metadata", "fitted_estimator")
"""What the hooks of tasks may ask for, as parameters by name."""


class CallbackContext:
    """A task of a fit, and its place among the others.

    Attributes:
        task_name: What the task is, such as "fit" or "epoch".
        task_id: Its number among the subtasks of its parent, from 0.
        max_subtasks: How many subtasks it has at most; 0 for none, None where that is not known.
        sequential_subtasks: Whether one subtask ends before the next begins.
        estimator_name: The class of the estimator.
        parent: The task that it is a part of; None for the whole fit.
        root_uuid: Names the fit.
        init_time: When the task was made, in UTC.
        source_estimator_name: None; in scikit-learn 1.9 the estimator around this one.
        source_task_name: None; in scikit-learn 1.9 its task.
    """

    source_estimator_name = source_task_name = None
    sequential_subtasks = True

    def __init__(
        self, callbacks: list[Any], estimator_name: str, task_name: str, max_subtasks: int | None, parent: Any = None
    ) -> None:
        self._callbacks, self._children = callbacks, list[CallbackContext]()
        self.estimator_name, self.task_name, self.max_subtasks = estimator_name, task_name, max_subtasks
        self.parent: CallbackContext | None = parent
        self.task_id = 0 if parent is None else len(parent._children)
        self.root_uuid: uuid.UUID = uuid.uuid4() if parent is None else parent.root_uuid
        self.init_time = datetime.now(UTC)

    def __iter__(self) -> Iterator[CallbackContext]:
        yield self
        for child in self._children:
            yield from child

    def subcontext(self, task_name: str = "", *, max_subtasks: int | None = 0) -> CallbackContext:
        """The next subtask."""
        child = CallbackContext(self._callbacks, self.estimator_name, task_name, max_subtasks, self)
        self._children.append(child)
        return child

    def call_on_fit_task_begin(self, *, estimator: Any, **values: Any) -> Self:
        """Tell the callbacks that the task begins."""
        self._call("on_fit_task_begin", estimator, values)
        return self

    def call_on_fit_task_end(self, *, estimator: Any, **values: Any) -> bool:
        """Tell the callbacks that the task has ended; True where one of them returns True."""
        return self._call("on_fit_task_end", estimator, values)

    def _call(self, hook: str, estimator: Any, values: Mapping[str, Any]) -> bool:
        answers = []
        for callback in self._callbacks:
            method = getattr(callback, hook)
            parameters = inspect.signature(method).parameters.values()
            names = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
            unknown = [name for name in names if name not in VALUES]
            if unknown:
                raise TypeError(
                    f"{hook} of {type(callback).__name__} has the parameters {', '.join(unknown)}; it may ask for "
                    f"{', '.join(VALUES)}"
                )
            answers.append(bool(method(estimator, self, **{name: _value(name, estimator, values) for name in names})))
        return any(answers)


def _value(name: str, estimator: Any, values: Mapping[str, Any]) -> Any:
    """What a hook asked for; a fitted estimator is made of the attributes that are handed over for it."""
    if name != "fitted_estimator":
        return values.get(name)
    attributes = values.get("reconstruction_attributes")
    if attributes is None:
        return None
    fitted = copy(estimator)
    vars(fitted).update(attributes)
    return fitted


def check_callbacks(callbacks: Iterable[Any]) -> None:
    """Raise `TypeError` for an object that lacks a hook, and for a class."""
    for callback in callbacks:
        missing = [hook for hook in HOOKS if not callable(getattr(callback, hook, None))]
        if missing or isinstance(callback, type):
            raise TypeError(
                f"callbacks are instances with the methods {', '.join(HOOKS)}; got {callback!r}"
                + (f" without {', '.join(missing)}" if missing else ", which is a class")
            )


class CallbackSupportMixin:
    """An estimator with callbacks."""

    def set_callbacks(self, *callbacks: Any) -> Self:
        """Set the callbacks of the estimator; without arguments, remove them."""
        check_callbacks(callbacks)
        self.__dict__.pop("_plain_callbacks", None)
        if callbacks:
            self.__dict__["_plain_callbacks"] = list(callbacks)
        return self

    def _init_callback_context(self, task_name: str = "fit", *, max_subtasks: int | None = 0) -> CallbackContext:
        callbacks = self.__dict__.get("_plain_callbacks", [])
        context = CallbackContext(callbacks, type(self).__name__, task_name, max_subtasks)
        self.__dict__["_fit_tasks"] = started = (context, list[Any]())
        for callback in callbacks:
            started[1].append(callback)
            callback.setup(estimator=self, context=context)
        return context


def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method that ends with the `teardown` of each callback whose `setup` was called, come what may."""

    @functools.wraps(method)
    def run(estimator: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(estimator, *args, **kwargs)
        finally:
            context, started = estimator.__dict__.pop("_fit_tasks", (None, []))
            errors = []
            for callback in started:
                try:
                    callback.teardown(estimator=estimator, context=context)
                except Exception as error:
                    errors.append(error)
            if len(errors) == 1:
                raise errors[0]
            if errors:
                raise ExceptionGroup("several callbacks failed at the end of a fit", errors)

    return run
