"""The journal of a search: a line of JSON for each trial that is done, so that a killed search goes on from there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.config.fields import json_value
from manyhot.errors import InputError, OutputError
from manyhot.estimators.search.trial import Trial
from manyhot.files import note_write
from manyhot.validation import join_names

HEAD = "manyhot-search"
FORMAT = 1
MAX_BYTES = 2**28


class Journal:
    """Trials by the name of their search, in a file; without a path, in memory alone.

    Args:
        path: File of lines of JSON; created where there is none.
        identity: What is searched on what, as JSON; a file with another is refused.

    Raises:
        InputError: A file that is no journal, or of another search.
        OutputError: A file that cannot be written.
    """

    def __init__(self, path: str | Path | None, identity: Mapping[str, Any]) -> None:
        self.path = None if path is None else Path(path)
        self.facts: dict[str, dict[str, Any]] = {}  # name of the search -> what its first trial settled
        self.trials: dict[str, list[Trial]] = {}
        if self.path is None:
            return
        lines = self._read()
        if lines:
            self._check_head(lines[0], json_value(identity))
            for number, line in enumerate(lines[1:], start=2):
                self._accept(line, number)
        else:
            self._append({HEAD: FORMAT, "identity": json_value(identity)})

    def add(self, search: str, trial: Trial, facts: Mapping[str, Any] | None = None) -> None:
        """Keep a trial; `facts` are what the first one of a search settled for all."""
        self.trials.setdefault(search, []).append(trial)
        if facts is not None:
            self.facts[search] = dict(facts)
        if self.path is not None:
            more = {} if facts is None else {"facts": json_value(facts)}
            self._append({"search": search, **trial.to_dict(), **more})

    def _read(self) -> list[dict[str, Any]]:
        """The whole lines of the file; what a killed process left of one is cut off."""
        assert self.path is not None
        if not self.path.exists():
            return []
        try:
            if self.path.stat().st_size > MAX_BYTES:
                raise InputError("is too large for the journal of a search", file=self.path, argument="journal")
            content = self.path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            lines = [json.loads(line) for line in whole.splitlines()]
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror})", file=self.path, argument="journal") from None
        except (ValueError, RecursionError):
            lines = [None]
        if content and not (lines and all(isinstance(line, dict) for line in lines) and lines[0].get(HEAD) == FORMAT):
            raise InputError(
                "is not the journal of a search; choose another name, or delete it", file=self.path, argument="journal"
            )
        if len(whole) < len(content):
            os.truncate(self.path, len(whole))
        return lines

    def _check_head(self, head: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
        own = head.get("identity")
        own = own if isinstance(own, dict) else {}
        differing = sorted(name for name in {*own, *identity} if own.get(name) != identity.get(name))
        if "settings" in differing and isinstance(own.get("settings"), dict):
            before, now = own["settings"], identity["settings"]
            names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
            changes = [f"{name} was {before.get(name)!r:.80} and is {now.get(name)!r:.80}" for name in names]
            differing[differing.index("settings")] = f"settings ({join_names(changes, 3)})"
        if differing:
            raise InputError(
                f"is the journal of another search: other {', '.join(differing)}; choose another name, or delete it",
                file=self.path,
                argument="journal",
            )

    def _accept(self, line: Mapping[str, Any], number: int) -> None:
        try:
            values = {name: line[name] for name in ("number", "params", "state", "value", "loss")}
            search = line["search"]
            self.trials.setdefault(search, []).append(Trial(**values))
        except (LookupError, TypeError, ValueError):
            raise InputError(
                f"line {number} is no trial of a search; choose another name, or delete the file",
                file=self.path,
                argument="journal",
            ) from None
        if "facts" in line:
            self.facts[search] = line["facts"]

    def _append(self, document: Mapping[str, Any]) -> None:
        assert self.path is not None
        line = json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            note_write(self.path)
        except OSError as error:
            raise OutputError(f"{self.path} could not be written: {error.strerror}") from None
