"""What a stream takes of memory does not grow with the file."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from manyhot import MultiLabelClassifier, load
from manyhot.data.readers import ReadOptions, read_chunks, sampling

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from make_csv import make

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="RssAnon is Linux's")]
MIB = 2**20


def anonymous() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


class Peak:
    """The most memory of its own that this process has while the body runs."""

    def __enter__(self) -> "Peak":
        self.most, self.is_over = anonymous(), threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def look(self) -> None:
        while not self.is_over.is_set():
            self.most = max(self.most, anonymous())
            time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.thread.join()


def measure(folder: Path) -> dict[str, list[int] | int]:
    """The peaks of training on a file, on it again and on one ten times as large, and of predicting the last."""
    sampling.CHUNK_BYTES = 2 * MIB
    sampling.sample_file.__defaults__ = (None, 0, 2000, 4 * MIB, None)
    peaks, options = [], ReadOptions(labels="label_*", column_types={"text": "ignored"})
    for k, size in enumerate([8 * MIB, 8 * MIB, 80 * MIB]):  # the first compiles
        make(folder / "rows.csv", size, n_numbers=40, n_labels=4)
        with Peak() as peak:
            classifier = MultiLabelClassifier(epochs=2, hidden_layer_sizes=(16,), verbose=0).fit_file(
                folder / "rows.csv", options, stream=True, stream_folder=folder, window_bytes=MIB
            )
        peaks.append(peak.most)
        assert classifier.report_.to_dict()["metrics"]["decision"]["roc_auc_macro"]["value"] > 0.6, k
    classifier.save(folder / "rows.manyhot")
    loaded, n_rows = load(folder / "rows.manyhot"), 0
    with Peak() as peak:
        for samples in read_chunks(
            folder / "rows.csv", ReadOptions(column_types=loaded.model_.encoder.column_types, require_labels=False)
        ):
            n_rows += len(loaded.predict_proba(samples))
    assert n_rows == classifier.report_.to_dict()["data"]["rows_total"]
    return {"training": peaks, "predicting": peak.most}


def test_ten_times_the_rows_take_no_more_memory(tmp_path):
    """In a process of its own: what earlier tests left in this one moves by as much as is measured."""
    command = [sys.executable, "-m", "tests.models.test_streaming_memory", str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    peaks = found["training"]
    print([peak // MIB for peak in (*peaks, found["predicting"])])
    assert peaks[2] - peaks[1] < 40 * MIB  # the file is 72 MiB larger, and its encoded rows 16 MiB
    assert found["predicting"] - peaks[1] < 40 * MIB


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
