"""Write down what `make exhaustive` ran and when: python tests/record_exhaustive.py RESULTS.xml RECORD.json"""

import datetime
import json
import os
import platform
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

suite = next(ElementTree.parse(sys.argv[1]).iter("testsuite"))
counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
record = {
    "date": str(datetime.date.today()),
    **counts,
    "seconds": round(float(suite.get("time", 0))),
    "machine": platform.machine(),
    "cores": os.cpu_count(),
}
Path(sys.argv[2]).write_text(json.dumps(record, indent=1) + "\n")
