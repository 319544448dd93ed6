"""The folder that pictures go to, and what their files are called."""

from __future__ import annotations

import io
import os
import re
import unicodedata
from pathlib import Path

from PIL import Image

from manyhot.errors import OutputError
from manyhot.files import write_file

MAX_BYTES = 80  # of a file's name, before its number and suffix


def check_folder(folder: str | Path, content: str = "the pictures") -> Path:
    """A folder to write to, made where it is not there."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise OutputError(f"{folder} is a file; give a folder for {content}") from None
    except OSError as error:
        raise OutputError(f"the folder {folder} could not be made: {error.strerror or error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"you may not write to {folder}; choose another folder or change its permissions")
    return folder


def file_name(number: int, name: str, n_digits: int = 5) -> str:
    """A file's name that every system takes: a number, and what can be kept of a name: letters, digits, - and _."""
    stem = re.sub(r"[^\w-]+", "_", unicodedata.normalize("NFC", name)).strip("_")
    while len(stem.encode()) > MAX_BYTES:
        stem = stem[:-1]
    return f"{number:0{n_digits}d}{'-' if stem else ''}{stem}.png"


def save_png(picture: Image.Image, path: Path) -> None:
    """Write a picture as PNG, whole or not at all."""
    content = io.BytesIO()
    picture.save(content, "PNG")
    write_file(path, content.getvalue())
