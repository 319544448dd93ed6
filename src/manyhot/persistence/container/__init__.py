"""One safe file: a JSON document and named arrays; README.md describes the format."""

from manyhot.persistence.container.fields import DocumentReader
from manyhot.persistence.container.header import FORMAT
from manyhot.persistence.container.limits import DEFAULT, Limits
from manyhot.persistence.container.opening import begins_as_bundle
from manyhot.persistence.container.reading import Contents, describe, read
from manyhot.persistence.container.writing import write

__all__ = ["DEFAULT", "FORMAT", "Contents", "DocumentReader", "Limits", "begins_as_bundle", "describe", "read", "write"]
