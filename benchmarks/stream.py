"""Trains on a CSV larger than memory allows, and watches what memory the process takes for itself (RssAnon).

It makes the file in a temporary folder, trains with `manyhot train --stream`, predicts for a smaller file with
`manyhot predict`, and deletes everything: `python benchmarks/stream.py --gib 10 --folder /somewhere/with/room`
"""

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from make_csv import make

RESULTS = Path(__file__).parent / "results" / "stream.json"
EVERY_SECONDS = 0.1


def anonymous_bytes(pid: int) -> int:
    """RssAnon of a process; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")), 0)


def watched(*words: object) -> dict:
    """Run `manyhot` with some words; its seconds, its highest RssAnon, and what it printed as JSON."""
    began, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile("w+") as out:
        command = [sys.executable, "-m", "manyhot", *map(str, words), "--json", "--quiet"]
        with subprocess.Popen(command, stdout=out) as process:
            while process.poll() is None:
                peak = max(peak, anonymous_bytes(process.pid))
                time.sleep(EVERY_SECONDS)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} exited with {process.returncode}")
        out.seek(0)
        document = json.load(out)
    seconds = time.perf_counter() - began
    return {"seconds": round(seconds, 1), "peak_anon_mib": round(peak / 2**20), "document": document}


def run(folder: Path, gib: float, predict_gib: float, settings: list[str]) -> dict:
    rows, model = folder / "rows.csv", folder / "model.manyhot"
    began = time.perf_counter()
    n_rows = make(rows, gib * 2**30)
    made = round(time.perf_counter() - began, 1)
    size = rows.stat().st_size
    train = watched("train", rows, "--labels", "label_*", "-o", model, "--stream", *settings)
    rows.unlink()
    report = train.pop("document")["report"]
    n_new = make(rows, predict_gib * 2**30, seed=1)
    predict = watched("predict", model, rows, "-o", folder / "predictions.csv")
    predict.pop("document")
    return {
        "machine": f"{platform.machine()}, 2 CPU cores",
        "file": {"gib": round(size / 2**30, 2), "rows": n_rows, "seconds_to_make": made},
        "settings": settings,
        "train": train | {"mib_per_second": round(size / 2**20 / train["seconds"], 1)},
        "model": {
            "scored_rows": report["data"]["rows"],
            **{name: report["metrics"]["decision"][name]["value"] for name in ("f1_micro", "map", "roc_auc_macro")},
        },
        "predict": predict | {"gib": predict_gib, "rows": n_new},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=10.0, help="size of the file that is trained on")
    parser.add_argument("--predict-gib", type=float, default=1.0, help="size of the file that is predicted for")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where there is room")
    parser.add_argument("--output", type=Path, default=RESULTS)
    told, settings = parser.parse_known_args()
    needed = 2.2 * told.gib * 2**30
    if shutil.disk_usage(told.folder).free < needed:
        raise SystemExit(f"{told.folder} has less than {needed / 2**30:.0f} GiB free")
    with tempfile.TemporaryDirectory(dir=told.folder) as folder:
        result = run(Path(folder), told.gib, told.predict_gib, settings)
    told.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
