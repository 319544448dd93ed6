"""One safe file: a JSON document and named arrays; README.md describes the format."""

from manyhot.bundle.layout import FORMAT
from manyhot.bundle.limits import DEFAULT, Limits
from manyhot.bundle.reading import Contents, describe, read
from manyhot.bundle.schema import Reader
from manyhot.bundle.source import begins_as_bundle
from manyhot.bundle.writing import write

__all__ = ["DEFAULT", "FORMAT", "Contents", "Limits", "Reader", "begins_as_bundle", "describe", "read", "write"]
