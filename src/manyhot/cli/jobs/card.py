"""`manyhot card`: a model card in Markdown, with the head that model hubs read."""

from __future__ import annotations

from pathlib import Path

from manyhot.cli.jobs.console import print_result
from manyhot.cli.jobs.open_model import load_model
from manyhot.cli.jobs.outputs import holds_other, model_inputs, refuse_overwriting
from manyhot.errors import InputError
from manyhot.files import check_target, write_file
from manyhot.reports.card import is_card, render_card
from manyhot.reports.model_page import out_of_fold_page

SUFFIXES = (".md", ".markdown")


def run(bundle: Path, output: Path | None, as_json: bool) -> None:
    """Write the card, or print it."""
    if output is not None:
        check_output(output)
        refuse_overwriting({"--output": output}, model_inputs(bundle))
        refuse_other_text(output)
    model = load_model(bundle).model_
    card = render_card(out_of_fold_page(model, str(bundle)), model, bundle.name)
    if output is not None:
        write_file(output, card.encode())
    document = {"model": str(bundle), "card": card, **({} if output is None else {"output": str(output)})}
    print_result(document, card.rstrip("\n") if output is None else f"saved {output}", as_json)


def check_output(output: Path) -> None:
    """Refuse what cannot be written before the work is done."""
    if output.suffix.lower() not in SUFFIXES:
        raise InputError(f"got {output.name!r}, expected a name that ends in .md", argument="--output")
    check_target(output)


def refuse_other_text(output: Path) -> None:
    """Refuse to write a card over a text that somebody wrote or changed."""
    if holds_other(output, holds_card):
        raise InputError(
            "exists and is no card as manyhot wrote it; choose another name with -o, or delete it",
            file=output,
            argument="--output",
        )


def holds_card(path: Path) -> bool:
    """Whether a file is a card that nobody has changed, or blank."""
    text = path.read_bytes().decode("utf-8", "replace")
    return not text.strip() or is_card(text.replace("\r\n", "\n"))
