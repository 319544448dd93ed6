"""The XML file that names the labels of a Mulan data set; a DOCTYPE is refused, so that no entity can be defined."""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

from manyhot.errors import InputError

MAX_BYTES = 1 << 24


def find_label_xml(path: Path, stem: str) -> Path | None:
    """The XML in the same folder whose stem is the longest beginning of the file's stem, case ignored."""
    lower_stem = stem.lower()
    candidates = [
        p for p in path.parent.iterdir() if p.suffix.lower() == ".xml" and lower_stem.startswith(p.stem.lower())
    ]
    return max(sorted(candidates), key=lambda p: len(p.stem), default=None)


def read_label_names(path: str | Path) -> tuple[str, ...]:
    """The label names in a Mulan XML file."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", file=path, argument="xml") from None
    if len(content) > MAX_BYTES:
        raise InputError(f"is larger than {MAX_BYTES >> 20} MiB, which is no list of labels", file=path)
    names: list[str] = []
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        tag = tag.rsplit(":", 1)[-1]
        if not depth and tag != "labels":
            raise InputError(f"starts with <{tag}>, expected <labels> as Mulan writes it", file=path)
        if depth and tag == "label":
            if not attributes.get("name"):
                raise InputError("has a <label> without a name", file=path, row=parser.CurrentLineNumber)
            names.append(attributes["name"])
        depth += 1

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_: object) -> None:
        raise InputError("has a DOCTYPE, which is refused; a list of labels needs none", file=path)

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise InputError(f"is no valid XML ({error})", file=path) from None
    if not names:
        raise InputError("names no labels", file=path)
    duplicates = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if duplicates:
        raise InputError(f"names labels more than once: {', '.join(duplicates)}", file=path)
    return tuple(names)
