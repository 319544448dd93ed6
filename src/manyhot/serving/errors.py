"""What is wrong with a request, as a status and a JSON document that names the place."""

from __future__ import annotations

import json
from collections.abc import Mapping

from manyhot.errors import InputError

RETRY_SECONDS = 1  # what `Retry-After` says to who comes while there is no room


class ApiError(Exception):
    """Why a request is not answered."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        row: int | None = None,
        column: str | None = None,
        argument: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.location: dict[str, int | str | None] = {"row": row, "column": column, "argument": argument}
        self.headers = dict(headers or {})

    def shift_rows(self, n_rows: int) -> ApiError:
        """The same, of a row so many rows further on."""
        row = self.location["row"]
        self.location["row"] = row + n_rows if isinstance(row, int) else None
        return self

    def to_json(self) -> bytes:
        """As JSON text; places that are not known are left out."""
        location = {key: value for key, value in self.location.items() if value is not None}
        document = {"error": {"status": self.status, "message": self.message, **location}}
        return json.dumps(document, ensure_ascii=False).encode("utf-8", errors="replace")


def to_http_error(error: InputError) -> ApiError:
    """What an error of the library is as an answer; no file is named, because there was none."""
    return ApiError(422, error.message, row=error.row, column=error.column, argument=error.argument)


def too_many_requests(message: str) -> ApiError:
    """No room now."""
    return ApiError(429, message, headers={"Retry-After": str(RETRY_SECONDS)})


def service_unavailable(message: str) -> ApiError:
    """Not ready yet, or no more."""
    return ApiError(503, message, headers={"Retry-After": str(RETRY_SECONDS)})
