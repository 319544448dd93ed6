"""A process that reads hostile tables in every way, and writes down what came of each, in JSON lines."""

import json
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from manyhot.data.readers import ReadOptions, read, read_chunks
from manyhot.data.readers.formats import detect_format
from manyhot.data.readers.image_folder import resolve_path
from manyhot.data.readers.sampling import can_stream, sample_file
from manyhot.errors import InputError
from manyhot.evaluation.data_checks import check_data
from tests.attacks.table_files import read_options
from tests.attacks.tables import hostile_table, valid_tables

MAX_PIECES = 30
MAX_CHECKED_LABELS = 10_000
MAX_CPU_SECONDS = 60
ADDRESS_SPACE = 24 << 30


def peak_mib() -> int:
    """The most memory that this process has had since the last call of `forget_peak`, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM"))


def forget_peak() -> None:
    """Let the peak be what is used now."""
    Path("/proc/self/clear_refs").write_text("5")


def check_whole(path: Path, options: ReadOptions) -> None:
    """As `manyhot check` does."""
    samples = read(path, options)
    if samples.labels is not None and len(samples.labels) <= MAX_CHECKED_LABELS:
        check_data(samples)


def read_pieces(path: Path, options: ReadOptions) -> None:
    """As `manyhot predict` does."""
    rows = 3 if path.is_dir() or path.stat().st_size < 100_000 else None
    for _ in islice(read_chunks(path, options, rows), MAX_PIECES):
        pass


def survey(path: Path, options: ReadOptions) -> None:
    """As a stream does."""
    if can_stream(*resolve_path(path, options)):
        for _ in islice(sample_file(path, options).file.chunks(), MAX_PIECES):
            pass


WAYS: tuple[Callable[[Path, ReadOptions], None], ...] = (check_whole, read_pieces, survey)


def attempt(way: Callable[[Path, ReadOptions], None], path: Path, options: ReadOptions) -> dict[str, Any]:
    """What came of one way to read, and what it took."""
    forget_peak()
    began = time.process_time()
    message = ""
    try:
        way(path, options)
        outcome = "read"
    except InputError as error:
        outcome = "refused" if error.file or error.argument or way is check_whole else "refused without a file"
        message = str(error)
    except BaseException as error:
        outcome, message = f"unexpected {type(error).__name__}", str(error)[:300]
    return {
        "way": way.__name__,
        "outcome": outcome,
        "message": message[:3000],
        "cpu_seconds": round(time.process_time() - began, 3),
        "peak_mib": peak_mib(),
    }


def results(seeds: Iterator[int]) -> Iterator[dict[str, Any]]:
    """What came of each table, in each way."""
    for seed in seeds:
        table = hostile_table(seed)
        with tempfile.TemporaryDirectory() as name:
            path = table.write(Path(name))
            print(f"seed {seed}", file=sys.stderr, flush=True)
            try:
                options = read_options(table)
            except InputError:
                continue
            del table.content
            for way in WAYS:
                signal.setitimer(signal.ITIMER_PROF, MAX_CPU_SECONDS)  # then the process ends
                yield {"seed": seed, "kind": table.kind, **attempt(way, path, options)}
                signal.setitimer(signal.ITIMER_PROF, 0)


def main(start: int, stop: int, step: int) -> None:
    """Read the tables of these numbers."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    for table in valid_tables().values():
        with tempfile.TemporaryDirectory() as name:
            path = table.write(Path(name))
            detect_format(*resolve_path(path, read_options(table)))
            check_whole(path, read_options(table))
    forget_peak()
    print(json.dumps({"base_mib": peak_mib()}), flush=True)
    for result in results(iter(range(start, stop, step))):
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
