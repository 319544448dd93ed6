"""`manyhot export`: a model as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.open_model import read_model
from manyhot.cli.jobs.outputs import holds_other, model_inputs, refuse_overwriting
from manyhot.errors import InputError
from manyhot.export.graph import is_own_file
from manyhot.export.onnx_file import export

SUFFIX = ".onnx"


def run(bundle: Path, output: Path | None, encoder: bool, calibrated: bool, no_labels: bool, as_json: bool) -> None:
    """Write the file, and print what it takes and gives."""
    output = output or bundle.with_suffix(SUFFIX)
    check_output(output)
    refuse_overwriting({"--output": output}, model_inputs(bundle))
    described = export(read_model(bundle), output, encoder, calibrated, not no_labels)
    document = {"output": str(output), "bytes": output.stat().st_size, **described}
    if described["comparison"] is None:
        print_notes(["the file was not compared with the model: pip install onnxruntime"])
    print_result(document, as_text(document), as_json)


def check_output(output: Path) -> None:
    """Refuse another kind of name, and a file that is none of ours."""
    if output.suffix.lower() != SUFFIX:
        raise InputError(f"got {output.name!r}, expected a name that ends in {SUFFIX}", argument="--output")
    if holds_other(output, is_own_file):
        raise InputError(
            "exists and was not written by manyhot export; choose another name with -o, or delete it",
            file=output,
            argument="--output",
        )


def as_text(document: dict[str, Any]) -> str:
    """The same for people."""
    rank = len(document["labels"])
    lines = [f"{document['output']}: {document['bytes'] / 2**20:.1f} MiB, {document['members']} networks"]
    for one in document["inputs"]:
        lines.append(f"input {one['name']!r}: {one['type']}, rows of {' x '.join(map(str, one['shape']))}")
        if one.get("columns"):
            lines.append(f"  columns: {', '.join(one['columns'])}")
    lines.append(f"output 'probabilities': float32, {rank} labels, " + _kind(document))
    if document["decision"] is not None:
        lines.append(f"output 'labels': bool, {rank} labels; {document['decision']['meaning']}")
    if document["comparison"] is not None:
        rows, difference = document["comparison"]["n_rows"], document["comparison"]["max_difference"]
        lines.append(f"compared with the model on {rows} rows drawn at random: largest difference {difference:.1g}")
    return "\n".join(lines)


def _kind(document: dict[str, Any]) -> str:
    return "calibrated" if document["calibrated"] else "not calibrated"
