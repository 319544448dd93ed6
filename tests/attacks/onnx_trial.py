"""A process that loads a saved file with each hostile text model in it: python -m tests.attacks.onnx_trial FOLDER"""

import json
import sys
import time
import traceback
from pathlib import Path

from tests.attacks.corpus import onnx
from tests.attacks.mutations import parts_of
from tests.attacks.onnx_models import hostile_models
from tests.attacks.structured import MODEL, with_array
from tests.attacks.trial import peak_bytes


def main(folder: Path) -> None:
    """Write what became of each, CPU seconds, and the most memory."""
    from manyhot import load

    classifier, rows = onnx(folder)
    classifier.save(folder / "seed.manyhot")
    content = (folder / "seed.manyhot").read_bytes()
    load(folder / "seed.manyhot").predict_proba(rows)
    outcomes, seconds = {}, {}
    for name, model in hostile_models().items():
        path = folder / "hostile.manyhot"
        path.write_bytes(with_array(*parts_of(content), MODEL, model))
        began = time.process_time()
        try:
            load(path).predict_proba(rows)
            outcomes[name] = "valid"
        except Exception as error:
            outcomes[name] = type(error).__name__
            if outcomes[name] != "BundleError":
                traceback.print_exc()
        seconds[name] = time.process_time() - began
    record = {"outcomes": outcomes, "seconds": seconds, "max_bytes": peak_bytes()}
    (folder / "result.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
