"""The columns that a model was trained on, and those that were left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import Any

MAX_NAMED = 200  # columns that are named, of more the first
UNUSED = {"id": "names the rows", "ignored": "not used"}


def describe_columns(columns: Mapping[str, str]) -> dict[str, Any]:
    """How many columns there are of each kind, and their names; those left out apart, with what they are."""
    used = {name: kind for name, kind in columns.items() if kind not in UNUSED}
    left_out = {name: UNUSED[kind] for name, kind in columns.items() if kind in UNUSED}
    return {
        "kinds": [[kind, count] for kind, count in Counter(used.values()).most_common()],
        "n_used": len(used),
        "used": [[name, kind] for name, kind in islice(used.items(), MAX_NAMED)],
        "n_left_out": len(left_out),
        "left_out": [[name, reason] for name, reason in islice(left_out.items(), MAX_NAMED)],
    }
