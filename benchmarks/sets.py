"""The multi-label sets that MANYHOT_DATA names, each with one split into rows to train on and rows to test on.

Mulan's sets have the split that came with them, GoEmotions its official training and test part. slashdot and arxiv1000
come without one: a third of their rows is tested, drawn once so that every label is as frequent there (`SPLIT`). Of
arxiv1000's terms the 13 with ten rows or more are kept, titles that occur twice count once.
"""

import ast
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer

from manyhot.data.labels import LabelSpace
from manyhot.data.readers import ReadOptions, read
from manyhot.data.samples import Samples
from manyhot.data.splitting.splitters import MultiLabelShuffleSplit
from manyhot.data.targets import Targets

MULAN = ("emotions", "scene", "yeast", "birds", "flags", "medical", "corel5k", "tmc2007", "delicious")
SPLIT = MultiLabelShuffleSplit(1, test_size=1 / 3, random_state=0)
TSV = ReadOptions(labels="emotions", sep=",", header=False, column_names=("text", "emotions", "comment"))
MIN_ROWS = 10  # of a term of arxiv1000


@dataclass(frozen=True)
class Split:
    """The rows of a set to train on and to test on, with the same columns and labels."""

    train: Samples
    test: Samples

    def support(self) -> np.ndarray:
        """Training rows of each label, int64 (l,)."""
        return self.train.targets.support()


def load(name: str) -> Split:
    folder = Path(os.environ["MANYHOT_DATA"]) / name
    return OTHERS[name](folder) if name in OTHERS else mulan(name)


def parts(name: str) -> tuple[Path, Path]:
    """The files of Mulan's training and test part."""
    folder = Path(os.environ["MANYHOT_DATA"]) / name
    files = sorted(path for path in folder.iterdir() if ".arff" in path.name.lower())
    train = next(path for path in files if "train" in path.name.lower())
    test = next(path for path in files if "test" in path.name.lower())
    return train, test


def mulan(name: str) -> Split:
    train, test = parts(name)
    known = read(train)
    options = ReadOptions(
        known_labels=known.labels.names,
        column_types={} if known.is_sparse else known.column_types,
        feature_names=tuple(known.feature_names) if known.is_sparse else None,
    )
    return Split(known, read(test, options))


def slashdot(folder: Path) -> Split:
    samples = read(folder / "slashdot.txt.gz", ReadOptions(format="xc"))
    (train, test), *_ = SPLIT.split(samples.features, samples.targets)
    return Split(
        *(
            replace(samples, features=samples.features[rows], targets=samples.targets.take(rows), ids=None, rows=None)
            for rows in (train, test)
        )
    )


def arxiv1000(folder: Path) -> Split:
    frame = pl.read_csv(folder / "arxiv_data.csv.gz").unique("titles", keep="first", maintain_order=True)
    terms = [set(ast.literal_eval(cell)) for cell in frame["terms"]]
    counts = Counter(term for row in terms for term in row)
    kept = sorted(term for term, count in counts.items() if count >= MIN_ROWS)
    Y = np.array([[term in row for term in kept] for row in terms])
    texts = [f"{title}. {summary}" for title, summary in zip(frame["titles"], frame["summaries"], strict=True)]
    (train, test), *_ = SPLIT.split(np.zeros((len(Y), 1)), Y)
    return Split(*(text_samples([texts[i] for i in rows], Y[rows], kept) for rows in (train, test)))


def goemotions(folder: Path) -> Split:
    known, fresh = (read(folder / f"{part}.tsv.gz", TSV) for part in ("train", "test"))
    names = list(known.labels.names)
    found = []
    for part in (known, fresh):
        Y = np.zeros((part.n_samples, len(names)), dtype=bool)
        Y[:, [names.index(label) for label in part.labels.names]] = part.targets.values
        found.append(text_samples(part.features["text"].fill_null("").to_list(), Y, names))
    return Split(*found)


def text_samples(texts: Sequence[str], Y: np.ndarray, names: Sequence[str]) -> Samples:
    frame = pl.DataFrame({"text": texts})
    return Samples(frame, ("text",), {"text": "text"}, targets=Targets(Y), labels=LabelSpace(tuple(names)))


OTHERS: dict[str, Callable[[Path], Split]] = {"slashdot": slashdot, "arxiv1000": arxiv1000, "goemotions": goemotions}
SETS = (*MULAN, *OTHERS)


def plain_arrays(split: Split) -> tuple[np.ndarray | sp.csr_matrix, np.ndarray | sp.csr_matrix]:
    """What other libraries are given: CSR as it is, texts as TF-IDF, raw numbers with NaN, one column a category."""
    known, fresh = split.train, split.test
    if known.is_sparse:
        return sp.csr_matrix(known.features), sp.csr_matrix(fresh.features)
    blocks = [_column_block(name, known, fresh) for name in known.feature_names]
    blocks = [block for block in blocks if block is not None]
    join = sp.hstack if any(sp.issparse(some) for some, _ in blocks) else np.hstack
    joined = [join([block[side] for block in blocks]) for side in (0, 1)]
    train, test = (sp.csr_matrix(side) if sp.issparse(side) else side for side in joined)
    return train, test


def _column_block(name: str, known: Samples, fresh: Samples):
    """The columns (n, c) that one column becomes, for the rows to train on and to test on; None for ids."""
    kind, columns = known.column_types[name], (known.features[name], fresh.features[name])
    if kind in ("id", "ignored"):
        return None
    if kind == "text":
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32)
        texts = [column.fill_null("").to_list() for column in columns]
        return vectorizer.fit_transform(texts[0]), vectorizer.transform(texts[1])
    if kind == "categorical":
        levels = columns[0].drop_nulls().unique().sort()
        return tuple(
            np.column_stack([(column == level).fill_null(False).to_numpy() for level in levels]).astype(float)
            for column in columns
        )
    return tuple(column.cast(pl.Float64).to_numpy().reshape(-1, 1).astype(float) for column in columns)
