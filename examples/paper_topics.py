"""Abstracts to arXiv terms: TF-IDF of words and pairs of words, a 512-256 network, one sigmoid per term.

python examples/paper_topics.py --data FOLDER
python examples/paper_topics.py --data arxiv_data.csv --min-rows 20 --hidden-layer-sizes 256,128 --json

FOLDER holds arxiv_data.csv (or .csv.gz), or the file itself is named. It has the columns titles, summaries and terms, a
Python list such as ['cs.CV', 'cs.LG'], as the public tables of arXiv abstracts do. It shows what a high binary accuracy
hides: saying no to everything comes close.
"""

import argparse
import ast
import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score, label_ranking_average_precision_score
from sklearn.pipeline import make_pipeline

from manyhot import MultiLabelClassifier, MultiLabelShuffleSplit
from manyhot.errors import ManyhotError
from manyhot.data.readers import ReadOptions, read


def table_of(place: Path) -> Path:
    """The table in a folder, or the file that is named itself."""
    found = [path for path in (place, place / "arxiv_data.csv", place / "arxiv_data.csv.gz") if path.is_file()]
    if not found:
        raise SystemExit(f"{place}: no arxiv_data.csv is there; see --help for what the folder holds")
    return found[0]


def papers(file: Path, least_rows: int) -> tuple[list[str], list[set[str]]]:
    """Titles with their abstracts, and the terms of each that at least so many papers carry; equal titles once."""
    column_types = {"titles": "text", "summaries": "text", "terms": "text"}
    frame = read(file, ReadOptions(require_labels=False, column_types=column_types)).features
    frame = frame.drop_nulls(["titles", "terms"]).unique("titles", keep="first", maintain_order=True)
    texts = frame.select(pl.concat_str("titles", pl.col("summaries").fill_null(""), separator=". ")).to_series()
    terms = [set(ast.literal_eval(cell)) for cell in frame["terms"]]
    counts = Counter(term for row in terms for term in row)
    frequent = {term for term, count in counts.items() if count >= least_rows}
    print(f"{len(terms)} papers, {len(counts)} terms, {len(frequent)} of them on {least_rows} papers or more")
    return texts.to_list(), [row & frequent for row in terms]


def main() -> None:
    """Train on four fifths, look at the rest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the CSV file, or the file")
    parser.add_argument("--min-rows", type=int, default=10, help="papers that a term needs to be kept")
    parser.add_argument("--hidden-layer-sizes", default="512,256")
    parser.add_argument("--n-members", type=int, default=4)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()
    texts, terms = papers(table_of(options.data), options.min_rows)
    names = sorted(set().union(*terms))
    Y = pl.DataFrame({name: [name in row for row in terms] for name in names})

    [(train, test)] = MultiLabelShuffleSplit(1, test_size=0.2, random_state=options.random_state).split(
        texts, Y.to_numpy()
    )
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32),
        MultiLabelClassifier(
            hidden_layer_sizes=tuple(map(int, options.hidden_layer_sizes.split(","))),
            n_members=options.n_members,
            decision="f1_micro",
            random_state=options.random_state,
        ),
    )
    model.fit([texts[i] for i in train], Y[train])
    held = [texts[i] for i in test]
    truth, scores = Y[test].to_numpy().astype(bool), model.predict_proba(held)
    predictions = model.predict(held).astype(bool)

    binary, never = (truth == predictions).mean().item(), (~truth).mean().item()
    answer = {
        "element_accuracy": binary,
        "element_accuracy_of_no_predictions": never,
        "f1_micro": f1_score(truth, predictions, average="micro"),
        "f1_macro": f1_score(truth, predictions, average="macro", zero_division=0.0),
        "lrap": label_ranking_average_precision_score(truth, scores),
    }
    print(f"binary accuracy {binary:.4f}; answering nothing at all has {never:.4f}, for terms are rare")
    print("micro F1 {f1_micro:.4f} (nothing at all: 0), macro F1 {f1_macro:.4f}, LRAP {lrap:.4f}".format(**answer))
    for k in test[:5]:
        found = model[-1].predict_labels(model[:-1].transform([texts[k]]))[0]
        print(f"  {', '.join(sorted(found)) or '-':24} said, {', '.join(sorted(terms[k])):24} true: {texts[k][:60]}")
    if options.json:
        print(json.dumps(answer))


if __name__ == "__main__":
    try:
        main()
    except ManyhotError as error:
        raise SystemExit(str(error)) from None
