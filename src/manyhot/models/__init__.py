"""The trained model, and every way to make or change one.

Its modules are imported on first use: after `from manyhot import models`, `models.decision_updates` is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from manyhot.lazy_imports import lazy_submodules

if TYPE_CHECKING:
    from manyhot.models import (
        decision_updates as decision_updates,
    )
    from manyhot.models import (
        incremental as incremental,
    )
    from manyhot.models import (
        model as model,
    )
    from manyhot.models import (
        prediction as prediction,
    )
    from manyhot.models import (
        segmentation as segmentation,
    )
    from manyhot.models import (
        stream_survey as stream_survey,
    )
    from manyhot.models import (
        streaming as streaming,
    )
    from manyhot.models import (
        training as training,
    )
    from manyhot.models import (
        training_data as training_data,
    )

__getattr__, __dir__ = lazy_submodules(
    __name__,
    (
        "decision_updates",
        "incremental",
        "model",
        "prediction",
        "segmentation",
        "stream_survey",
        "streaming",
        "training",
        "training_data",
    ),
)
