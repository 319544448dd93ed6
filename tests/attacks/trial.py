"""A process that tries damaged files one after another: python -m tests.attacks.trial KIND FOLDER FIRST STOP RESULT

Each is loaded, inspected, asked for a few rows and for its report. Anything but a refusal of ours or an answer, more
than 2 GiB or 2 CPU seconds stops the process with the number of the file.
"""

import contextlib
import io
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

MAX_BYTES = 2**31
MAX_SECONDS = 2.0
MAX_MESSAGE = 4000
KILL_SECONDS = 40.0  # of CPU time, for a file that does not come back by itself


def peak_bytes() -> int:
    """The most memory that this process has had at once."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class CompileClock:
    """CPU seconds that went into making programs, which a valid file may take."""

    def __init__(self) -> None:
        from manyhot.engine.program_cache import ProgramCache

        self.seconds = 0.0
        compile_program = ProgramCache.get_or_compile

        def timed(cache: Any, *args: Any, **settings: Any) -> Any:
            began = time.process_time()
            try:
                return compile_program(cache, *args, **settings)
            finally:
                self.seconds += time.process_time() - began

        ProgramCache.get_or_compile = timed  # type: ignore[method-assign]


def attempt(path: Path, rows: Any) -> str:
    """What becomes of one file: where it was refused, or "valid"."""
    from manyhot import load
    from manyhot.cli.jobs import inspect
    from manyhot.errors import InputError
    from manyhot.persistence import container

    step = "describe"
    try:
        container.describe(path)
        step = "load"
        classifier = load(path)
        model = classifier.model_
        step = "predict"
        if hasattr(classifier, "predict_proba"):
            scores = np.asarray(classifier.predict_proba(rows))
            finite = scores[np.isfinite(scores)]
            assert ((finite >= 0) & (finite <= 1)).all()
        classifier.predict(rows)
        step = "report"
        with contextlib.redirect_stdout(io.StringIO()):
            str(classifier.report_)
            if hasattr(classifier.report_, "to_html"):
                classifier.report_.to_html(path.with_suffix(".html"))
            step = "inspect"
            if hasattr(model, "policy"):
                inspect.run(path, None, with_layers=False, as_json=True)
                inspect.run(path, None, with_layers=False, as_json=False)
    except InputError as error:
        if len(str(error)) > MAX_MESSAGE:
            raise RuntimeError(f"a message of {len(str(error)):,} characters") from None
        return f"refused at {step}"
    return "valid"


def run(kind: str, folder: Path, numbers: range, result: Path) -> int:
    """Try the files of these numbers; write counts, the largest figures and the first fault."""
    import warnings

    from tests.attacks import corpus, structured

    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (2**34, 2**34))
    clock = CompileClock()
    classifier, rows = corpus.KINDS[kind](folder)
    classifier.save(folder / "seed.manyhot")
    content = (folder / "seed.manyhot").read_bytes()
    path = folder / "mutant.manyhot"
    assert attempt(folder / "seed.manyhot", rows) == "valid"
    outcomes: Counter[str] = Counter()
    record: dict[str, Any] = {"kind": kind, "start_bytes": peak_bytes(), "max_seconds": 0.0, "slowest": 0, "fault": ""}
    began = time.process_time()
    for number, mutation, damaged in structured.mutants(content, numbers):
        path.write_bytes(damaged)
        result.write_text(json.dumps({**record, "fault": f"{kind} {number} ({mutation}): the process ended"}))
        signal.setitimer(signal.ITIMER_PROF, KILL_SECONDS)
        start, compiled = time.process_time(), clock.seconds
        fault = ""
        try:
            outcome = attempt(path, rows)
        except BaseException:
            outcome, fault = "foreign", traceback.format_exc()
        seconds = time.process_time() - start - (clock.seconds - compiled)
        signal.setitimer(signal.ITIMER_PROF, 0)
        outcomes[f"{mutation}: {outcome}"] += 1
        if seconds > record["max_seconds"]:
            record |= {"max_seconds": seconds, "slowest": number}
        if seconds > MAX_SECONDS:
            fault = fault or f"took {seconds:.2f} CPU seconds ({outcome})"
        if peak_bytes() > MAX_BYTES:
            fault = fault or f"took {peak_bytes() / 2**30:.2f} GiB ({outcome})"
        if fault:
            faults = record.setdefault("faults", [])
            faults.append(f"{kind} {number} ({mutation}): {fault}")
            if peak_bytes() > MAX_BYTES or not os.environ.get("MANYHOT_ALL_FAULTS"):
                break
    faults = record.get("faults", [])
    record |= {"outcomes": outcomes, "max_bytes": peak_bytes(), "seconds": time.process_time() - began}
    result.write_text(json.dumps({**record, "compile_seconds": clock.seconds, "fault": "\n".join(faults)}))
    return 1 if faults else 0


if __name__ == "__main__":
    kind, folder, first, stop, result = sys.argv[1:]
    sys.exit(run(kind, Path(folder), range(int(first), int(stop)), Path(result)))
