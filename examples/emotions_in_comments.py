"""Which of 28 emotions a comment carries: text in, label sets out, thresholds for the score that matters.

python examples/emotions_in_comments.py --data FOLDER
python examples/emotions_in_comments.py --data FOLDER --random-state 1 --json

FOLDER holds GoEmotions as its authors publish it: train.tsv and test.tsv (or .gz), without header: text, label numbers
with commas between, comment id; and labels.txt (or emotions.txt), the labels' names in the order of their numbers.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.metrics import f1_score

from manyhot import MultiLabelClassifier
from manyhot.errors import ManyhotError
from manyhot.data.readers import ReadOptions, read

OPTIONS = ReadOptions(labels="emotions", sep=",", header=False, column_names=("text", "emotions", "comment"))


def file_of(folder: Path, *names: str) -> Path:
    """The first of some files that is there."""
    found = [folder / name for name in names if (folder / name).is_file()]
    if not found:
        raise SystemExit(f"{folder}: none of {', '.join(names)} is there; see --help for what the folder holds")
    return found[0]


def comments(folder: Path, part: str, emotions: list[str], n_rows: int | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The texts of a part, and one 0/1 column for each emotion by its name."""
    samples = read(file_of(folder, f"{part}.tsv", f"{part}.tsv.gz"), OPTIONS)
    numbers = [int(name) for name in samples.labels.names]
    values = np.zeros((len(samples.features), len(emotions)), dtype=np.int8)
    values[:, numbers] = samples.targets.values
    targets = pl.DataFrame(values, schema=emotions)
    return samples.features.select("text")[:n_rows], targets[:n_rows]


def main() -> None:
    """Train on the training part, look at both F1 scores on the test part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the files")
    parser.add_argument("--rows", type=int, help="only the first rows of each part, to see that all runs")
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()
    emotions = file_of(options.data, "labels.txt", "emotions.txt").read_text().split()
    X, Y = comments(options.data, "train", emotions, options.rows)
    X_test, Y_test = comments(options.data, "test", emotions, options.rows)

    classifier = MultiLabelClassifier(
        column_types={"text": "text"}, random_state=options.random_state, decision="f1_macro"
    ).fit(X, Y)
    print(classifier.report_)

    macro = f1_score(Y_test.to_numpy(), classifier.predict(X_test), average="macro", zero_division=0.0)
    classifier.tune_thresholds("f1_micro")  # other thresholds from what the model keeps, no training
    micro = f1_score(Y_test.to_numpy(), classifier.predict(X_test), average="micro", zero_division=0.0)
    print(
        f"\non {len(X_test)} comments that training never saw, thresholds tuned for each score on training rows alone:"
    )
    print(f"macro F1 {macro:.4f} (every emotion counts the same)\nmicro F1 {micro:.4f} (every answer counts the same)")
    shown = classifier.predict_labels(X_test.head(5))
    for text, found in zip(X_test["text"].head(5), shown, strict=True):
        print(f"  {', '.join(sorted(found)) or '-':30} {text[:80]}")
    if options.json:
        print(json.dumps({"f1_micro": micro, "f1_macro": macro, "random_state": options.random_state, "rows": len(X)}))


if __name__ == "__main__":
    try:
        main()
    except ManyhotError as error:
        raise SystemExit(str(error)) from None
