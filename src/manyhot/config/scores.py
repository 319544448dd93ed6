"""What has an effect where decisions are made on scores of another program."""

from __future__ import annotations

from manyhot.config.groups import DECISIONS, SETTING_GROUPS

PROBABILITIES, LOGITS = SCORE_KINDS = ("probabilities", "logits")
"""What scores may be."""
SCORE_SETTINGS = (*SETTING_GROUPS[DECISIONS], "random_state")
"""The fields of `TrainingConfig` that have an effect where nothing is trained."""
