"""Notes for people on standard error, one JSON document for machines on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any


def print_notes(lines: Iterable[str], quiet: bool = False) -> None:
    """Notes for a person; they never mix with results."""
    if not quiet:
        for line in lines:
            print(f"note: {line}", file=sys.stderr)


def print_result(document: dict[str, Any], text: str, as_json: bool) -> None:
    """The result of a command: the document for machines, or the text for people."""
    print(json.dumps(document, ensure_ascii=False, allow_nan=False) if as_json else text)
