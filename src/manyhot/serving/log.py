"""The service's log: one line for each request and each event, as text or as JSON."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from manyhot import validation

LOG_FORMATS = ("text", "json")
LOGGER_NAME = "manyhot.serve"


@dataclass(frozen=True)
class RequestRecord:
    """What the log says of one request; none of it is text that a client chose."""

    method: str
    route: str | None  # the pattern, such as /models/{name}/predict; None where there is no such address
    model: str | None
    status: int  # 499 for a client that left
    duration_seconds: float
    bytes_received: int
    bytes_sent: int

    def __str__(self) -> str:
        words = (self.method, self.route or "-", self.model or "-", str(self.status))
        sizes = f"{self.bytes_received} bytes in, {self.bytes_sent} out"
        return f"{' '.join(words)} {self.duration_seconds * 1000:.1f} ms ({sizes})"


def log_formatter(log_format: str) -> logging.Formatter:
    """The formatter of that name, of `LOG_FORMATS`."""
    validation.one_of(LOG_FORMATS, log_format=log_format)
    return JsonFormatter() if log_format == "json" else TextFormatter()


class TextFormatter(logging.Formatter):
    """`2026-01-31T09:30:00.123Z POST /models/{name}/predict songs 200 3.4 ms (120 bytes in, 64 out)`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback under it where there is one."""
        level = f"{record.levelname} " if record.levelno > logging.INFO else ""
        return f"{_utc_time(record)} {level}{super().format(record)}"


class JsonFormatter(logging.Formatter):
    """A JSON object on a line: time, level, and either the fields of a request or a message."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        document: dict[str, Any] = {"time": _utc_time(record), "level": record.levelname.lower()}
        if isinstance(record.msg, RequestRecord):
            document |= asdict(record.msg)
            document["duration_seconds"] = round(record.msg.duration_seconds, 6)
        else:
            document["message"] = record.getMessage()
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False)


def _utc_time(record: logging.LogRecord) -> str:
    time = datetime.fromtimestamp(record.created, UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}Z"
