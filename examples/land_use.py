"""What an aerial photo shows: 17 labels such as trees, cars and court, from UC Merced Land Use.

python examples/land_use.py --data FOLDER
python examples/land_use.py --data FOLDER --epochs 4 --size 64 --json

FOLDER holds LandUse_Multilabeled.txt (a tab-separated table of image names and 0/1 columns) and the images in
images/train and images/test, in folders of any names. The table names the images of both parts without their suffix;
each part takes the rows whose images lie in its folder.
"""

import argparse
import json
import time
from pathlib import Path

from sklearn.metrics import average_precision_score, f1_score

from manyhot import MultiLabelClassifier
from manyhot.errors import ManyhotError
from manyhot.data.readers import ReadOptions, read
from manyhot.data.samples import Samples


def photos(folder: Path, part: str) -> Samples:
    """The photos of a part with their labels."""
    table = folder / "LandUse_Multilabeled.txt"
    if not table.is_file():
        raise SystemExit(f"{table} is not there; see --help for what the folder holds")
    labels = table.read_text().split("\n", 1)[0].rstrip("\r").split("\t")[1:]
    return read(table, ReadOptions(labels=",".join(labels), images=folder / "images" / part))


def main() -> None:
    """Train on one part, look at the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the table and the images")
    parser.add_argument("--size", type=int, default=128, help="edge that photos are brought to, in pixels")
    parser.add_argument("--n-members", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()
    train, test = photos(options.data, "train"), photos(options.data, "test")

    began = time.perf_counter()
    classifier = MultiLabelClassifier(
        n_members=options.n_members,
        epochs=options.epochs,
        decision="f1_samples",
        random_state=options.random_state,
        # from above there is no up and down: photos may be mirrored and turned
        image_params={"size": options.size, "augment": "flip+quarter_turns+shift+zoom+colour"},
    ).fit(train)
    seconds = time.perf_counter() - began
    print(classifier.report_)

    truth = test.targets.values
    answer = {
        "map": float(average_precision_score(truth, classifier.predict_proba(test))),
        "f1_samples": float(f1_score(truth, classifier.predict(test), average="samples", zero_division=0.0)),
        "seconds": round(seconds, 1),
    }
    print(f"\non {len(truth)} photos that training never saw: mean average precision {answer['map']:.4f},")
    print(f"F1 of a photo's labels {answer['f1_samples']:.4f}; trained in {seconds:.0f} s")
    if options.json:
        print(json.dumps(answer | {"size": options.size, "n_members": options.n_members, "epochs": options.epochs}))


if __name__ == "__main__":
    try:
        main()
    except ManyhotError as error:
        raise SystemExit(str(error)) from None
