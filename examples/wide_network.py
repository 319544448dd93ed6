"""Label sets, a wide Keras network with SGD and its decay, thresholds, and what each score means.

    python examples/wide_network.py
    python examples/wide_network.py --rows 2000 --hidden-layer-sizes 50,20 --batch-size 50 --json

Documents are drawn from eleven topics: each is a row of word counts, and carries the topics it was written from.
"""

import argparse
import json

import numpy as np
from sklearn.preprocessing import MultiLabelBinarizer

from manyhot import MultiLabelClassifier
from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import METRICS, compute_metrics

import keras  # after manyhot, which puts it on JAX  # isort: skip

TOPICS = ["art", "cities", "food", "games", "health", "history", "law", "money", "music", "space", "sport"]
WORDS = 300
SHOWN = ("element_accuracy", "subset_accuracy", "f1_micro", "f1_macro", "hamming_loss", "lrap")


def documents(n_rows: int) -> tuple[np.ndarray, list[set[str]]]:
    """Log word counts (n, 300) and the topics of each document."""
    generator = np.random.default_rng(0)
    words = generator.dirichlet(np.full(WORDS, 0.05), size=len(TOPICS))
    rows, sets = np.zeros((n_rows, WORDS)), []
    for k in range(n_rows):
        chosen = generator.choice(len(TOPICS), size=generator.integers(1, 4), replace=False)
        rows[k] = generator.multinomial(120, words[chosen].mean(axis=0))
        sets.append({TOPICS[j] for j in chosen})
    return np.log1p(rows), sets


def network(n_features: int, n_labels: int, hidden: list[int]) -> keras.Model:
    """Two wide hidden layers and a sigmoid for each label, trained by SGD with momentum and a slow decay."""
    model = keras.Sequential(
        [
            keras.layers.Input((n_features,)),
            keras.layers.Dense(hidden[0], activation="relu"),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(hidden[1], activation="relu"),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(n_labels, activation="sigmoid"),
        ]
    )
    # what older tutorials write as SGD(lr=0.01, decay=1e-6) is a schedule in Keras 3
    rate = keras.optimizers.schedules.InverseTimeDecay(0.01, decay_steps=1, decay_rate=1e-6)
    model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.SGD(rate, momentum=0.9, nesterov=True))
    return model


def main() -> None:
    """Train, threshold, score, explain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--hidden-layer-sizes", default="5000,600", help="units of the two hidden layers")
    parser.add_argument("--batch-size", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()

    X, sets = documents(options.rows)
    binarizer = MultiLabelBinarizer()
    Y = binarizer.fit_transform(sets)
    n_train = options.rows * 4 // 5
    model = network(WORDS, len(TOPICS), [int(units) for units in options.hidden_layer_sizes.split(",")])
    clf = MultiLabelClassifier(
        network=model,
        labels=list(binarizer.classes_),
        n_members=2,
        epochs=options.epochs,
        batch_size=options.batch_size,
    ).fit(X[:n_train], Y[:n_train])

    scores = clf.predict_proba(X[n_train:])
    print(f"{scores.shape[0]} new documents, a probability for each of {scores.shape[1]} topics")
    predicted = clf.predict_labels(X[n_train : n_train + 1])[0]
    print(f"the first carries {sorted(sets[n_train])}, predicted {sorted(predicted)}")
    print("thresholds:", {name: round(value, 2) for name, value in clf.thresholds_.items()})

    truth = Targets(Y[n_train:].astype(bool))
    found = {
        "decision": compute_metrics(truth, scores, clf.predict(X[n_train:]) == 1),
        "fixed": compute_metrics(truth, scores, scores >= 0.5),
    }
    for name in SHOWN:
        tuned, fixed = found["decision"][name], found["fixed"][name]
        print(f"\n{name}: {tuned.value:.3f} at tuned thresholds, {fixed.value:.3f} at 0.5")
        print(f"  {tuned.baseline:.3f} without looking at the features.")
        print(f"  {METRICS[name].meaning} {METRICS[name].misleads}")
    if options.json:
        print(json.dumps({at: {name: scored[name].value for name in SHOWN} for at, scored in found.items()}))


if __name__ == "__main__":
    main()
