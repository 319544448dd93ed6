"""Phrases that were replaced by plainer ones stay away from reports, pages, messages and help."""

import re
from pathlib import Path

import pytest

import manyhot

SOURCE = Path(manyhot.__file__).parent
SUFFIXES = {".py", ".html", ".js", ".css", ".md", ".pyi"}
# what is no longer said, as a reader would see it; in brackets, what is said instead
PHRASES = [
    "First of all",  # (Summary)
    "in one pot",  # (Micro F1; together)
    "F1, mean of labels",  # (Macro F1)
    "F1, mean of rows",  # (Sample F1)
    "Whole label sets right",  # (Exact match)
    "measured on what training kept",  # (out-of-fold scores from training)
    "these are those in force",  # (Showing saved thresholds)
    "Back to those in force",  # (Reset)
    "Precision (up) by recall",  # (Precision-recall curve)
    "Share that carries it",  # (Calibration curve)
    "Answered, but not recorded",  # (False positives)
    "Recorded, but not answered",  # (False negatives)
    "Wrong with a chance of",  # (99% probability that the label is wrong)
    "with the row's other labels in view",  # (given its other labels)
    "of the other rows that carry the label",
    "how many in 100 also carry",  # (Percentage of rows with ...)
    "What the doctor says",  # (Data checks)
    "fewer than the 16 of the deployed mean",  # (Each row is scored by 2 of the 16 networks)
    "of the deployed mean, so measures",
    "Nothing was asked yet",  # (Fill in a row and press Predict)
    "is no number;",  # (is not a number)
    "Say what spoke for the answers",  # (Explain predictions)
    "What spoke for and against it",  # (Why?)
    "Come in",  # (Sign in)
    "Whether progress is kept to oneself",  # (Hide the progress bar)
    "What stands between two labels",  # (Separator between labels)
    "For all labels together, surely",  # (Bound holds for all labels simultaneously)
    "so: cannot be told",  # (no clear difference)
    "as told",  # (current settings)
    "say null where it is missing",  # (missing field; send null if the value is unknown)
    "A known network can look at the images",  # (Use a pretrained ImageNet backbone)
    "a network of one's own",
    "a table of weights with one row a column",  # (an embedding lookup)
    "promises that rest on rows which training never saw",  # (guarantees calibrated on held-out rows)
    "Of the labels that a new row carries",  # (At most 10% of a row's labels are missed)
    "What a person handed over",  # (Validated features, targets and configuration for one fit)
    "those of the rows that are left",  # (Select the values of the rows that were kept)
    "that nobody took",  # (Raise if any key or array was not consumed)
    "the layers behind it first, on what it makes of images",  # (Fine-tune a pretrained backbone)
    "mask: Not looked at",  # (mask: Unused)
    "Say the version",  # (Show the version)
    "Say what is odd about the labels",  # (Check a data set for label problems)
    "Answer new rows",  # (Predict labels for new rows)
    "Write a page about a model that opens",  # (Write an HTML report)
    "leave the network away",  # (omit `network`)
    "The mend is",  # (To fix this, use)
    "something unforeseen",  # (unexpected error)
    "guessing by label frequency",  # (a constant prediction)
    "Better than guessing",  # (Better than a constant prediction)
    "as far as few more predictions are wrong",  # (without adding many wrong predictions)
    "so rarity is not the",  # (so too few examples is unlikely to be the cause)
    "likely mislabelled",  # (probability that the label is wrong)
    "Rows have the id of their file",  # (Rows are known by their number, from 1)
    "give at least a precision or recall of",  # (find thresholds that meet your target precision or recall)
    "All of these rows, at the threshold shown",  # (On all 700 rows at the threshold shown)
    "found on these very rows",  # (tuned on these same rows)
    "equally many rows each",  # (bins of equal size)
    "predicting it for every row",  # (always predict it)
    "chosen by the loss on left-out rows (epochs",  # (which had a lower log loss on held-out rows than)
    "Scores average the logits of branches",  # (The logits of the network's branches are averaged)
    "not what another training",  # (not retraining)
    "chance always adds to it",  # (noise inflates it)
    "everything behind place k",  # (everything below rank k)
    "do not compare",  # (are not comparable)
    "stands before one that is present",  # (ranks above one that is present)
    "one hard label sets it",  # (one hard label can dominate a row)
    "chance that the",  # (probability that the; chance is what happens without any relation)
    "chance that this",
    "chance of a",
    "chance of being",
    "the chance of each",
    "sum of their chances",
    "more frequent than by chance",  # (more frequent than chance)
    "does not record the name of the training file",
]


def phrases_in(text: str) -> list[str]:
    """The phrases of a text, also those that a line break or the quotes of joined strings cut."""
    joined = re.sub(r"[\"'`]?\s*\n\s*(?:f?[\"'`]|#)?\s*", " ", text)
    plain = re.sub(r"\s+", " ", joined)
    return [phrase for phrase in PHRASES if re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", plain)]


@pytest.mark.parametrize("folder", sorted({path.relative_to(SOURCE).parts[0] for path in SOURCE.rglob("*.py")}))
def test_no_replaced_phrase_is_left(folder):
    place = SOURCE / folder
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.suffix in SUFFIXES)
    found = {str(path.relative_to(SOURCE)): phrases_in(path.read_text(encoding="utf-8")) for path in files}
    assert {path: phrases for path, phrases in found.items() if phrases} == {}


def test_a_phrase_is_found_where_a_line_cuts_it():
    assert phrases_in('    "and what is known. The "\n        "mend is two words"') == ["The mend is"]
    assert phrases_in("<p>First of\n   all</p>") == ["First of all"]
    assert phrases_in("Coming in first of the list") == []
