"""When and on what a model was trained, out of its file."""

from __future__ import annotations

from manyhot.errors import BundleError
from manyhot.models.origin import MAX_LETTERS, MAX_NOTES, Origin, TrainingFile
from manyhot.persistence.container.fields import DocumentReader


def read_origin(reader: DocumentReader) -> Origin:
    """Read the object "origin"."""
    file = None
    if "origin.file" in reader:
        file = TrainingFile(
            reader.text("origin.file.name", max_characters=MAX_LETTERS),
            reader.integer("origin.file.n_bytes", 0) if "origin.file.n_bytes" in reader else None,
            reader.text("origin.file.sha256", max_characters=64) if "origin.file.sha256" in reader else None,
        )
    versions = reader.mapping("origin.versions", max_items=100)
    if not all(isinstance(number, str) for number in versions.values()):
        raise BundleError("the versions of the training are no texts")
    return Origin(
        reader.text("origin.trained", max_characters=100),
        reader.integer("origin.n_rows", 0),
        reader.integer("origin.n_labels", 1),
        tuple(reader.list_of_text("origin.notes", MAX_NOTES)),
        versions,
        file,
        reader.text("origin.command", max_characters=MAX_LETTERS) if "origin.command" in reader else None,
        tuple(reader.list_of_text("origin.automatic", 1000)) if "origin.automatic" in reader else None,
    )
