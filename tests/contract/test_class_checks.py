"""Models and encoders answer what they can, instead of being asked for their class.

`python tests/contract/test_class_checks.py` lists where they still are.
"""

import re
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "manyhot"
CLASSES = (
    *("TableEncoder", "MatrixEncoder", "PlainEncoder", "BaseEncoder", "Model", "PixelModel", "ExtremeModel"),
    *("MultiLabelClassifier", "ExtremeMultiLabelClassifier"),
)
HOMES = ("encoders/", "models/segmentation/", "models/extreme/")
"""Where the classes are defined."""
CHECK = re.compile(
    rf"(isinstance\(|type\([\w.]+\) (is|==|in) )[^\n]*(?<!keras\.)\b({'|'.join(CLASSES)})\b"
    r"|\bhasattr\((model|encoder|self\.model_),"
)
MOST = 10
"""Checks that are left; fewer are better."""


def find_checks() -> list[tuple[str, int, str]]:
    """File, line number and line of every check outside the classes' own packages."""
    return [
        (name, number, line.strip())
        for path in sorted(SOURCE.rglob("*.py"))
        if not (name := path.relative_to(SOURCE).as_posix()).startswith(HOMES)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if CHECK.search(line)
    ]


def test_few_ask_for_the_class_of_a_model_or_encoder():
    found = find_checks()
    assert len(found) <= MOST, Counter(name for name, _, _ in found)


if __name__ == "__main__":
    checks = find_checks()
    print(*(f"{name}:{number}: {line}" for name, number, line in checks), f"{len(checks)} in all", sep="\n")
