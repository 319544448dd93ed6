"""Why several labels need one sigmoid each: five labels worked by hand, then the same on a trained network.

python examples/softmax_or_sigmoid.py
python examples/softmax_or_sigmoid.py --rows 300 --json
"""

import argparse
import json

import numpy as np

from manyhot import compare_heads

EXAMPLES = ([1, 2, 3, 4, 1], [-1, 5, -0.5, 5, -0.5], [-1, 5, -0.5, 4.7, -0.5])


def softmax(z: np.ndarray) -> np.ndarray:
    """Shares of one unit: they always sum to one."""
    powers = np.exp(z - z.max())
    return powers / powers.sum()


def sigmoid(z: np.ndarray) -> np.ndarray:
    """A probability for each label, whatever the others say."""
    return 1 / (1 + np.exp(-z))


def by_hand() -> list[dict]:
    """Both functions on the same scores."""
    shown = []
    for scores in EXAMPLES:
        z = np.array(scores, dtype=float)
        shares, probabilities = softmax(z), sigmoid(z)
        shown.append({"z": scores, "softmax": shares.tolist(), "sigmoid": probabilities.tolist()})
        print(f"z        {z}")
        print(f"softmax  {shares.round(4)}  sum {shares.sum():.2f}, above 0.5: {(shares >= 0.5).sum()}")
        n_above = (probabilities >= 0.5).sum()
        print(f"sigmoid  {probabilities.round(4)}  sum {probabilities.sum():.2f}, above 0.5: {n_above}\n")
    print(
        "Two labels with a score of 5 are nearly certain, each for itself: sigmoid says .9933 of both. Softmax must\n"
        "share and says .4974 of both; lowering one from 5 to 4.7 raises the other, of which nothing has changed.\n"
    )
    return shown


def trained(n_rows: int) -> dict:
    """One network under both functions, on five labels of which samples carry none to five."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(n_rows, 8))
    Y = X[:, :5] + 0.3 * generator.normal(size=(n_rows, 5)) > 0.3
    heads = compare_heads(None, X, Y, n_splits=3, n_members=2, epochs=20, hidden_layer_sizes=(32,))
    print(heads)
    return heads.to_dict()


def main() -> None:
    """By hand, then trained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()
    answer = {"by_hand": by_hand(), "trained": trained(options.rows)}
    if options.json:
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
