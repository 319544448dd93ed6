"""Every command that writes files, small, with what it writes: for tests that disturb it while it does."""

import base64
import io
import json
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from manyhot.cli import main
from manyhot.files import TEMPORARY, temporary_stem
from manyhot.persistence.container import read
from tests.cli.conftest import NAMES, SMALL, Done, songs
from tests.fixtures.file_calls import Call, FileCalls

FROZEN = Path(__file__).parents[1] / "contract" / "frozen" / "saved"
OUT = "OUT"  # in words, the folder that is written to
ROWS = ("rows.csv", "--labels", "mood_*")
SETTINGS = (*SMALL, "--quiet")
FEW = ("--n-members", "1", "--epochs", "1", "--hidden-layer-sizes", "4", "--n-splits", "2", "--n-repeats", "1")
PREDICT = ("predict", "songs.manyhot", "rows.csv", "--quiet", "-o")
IMAGES = ("images.csv", "--quiet")


@dataclass(frozen=True)
class Command:
    """Its words, files of `prepare` named as they are and outputs below `OUT`; whether older outputs may be there."""

    words: tuple[str, ...]
    replaces: bool = True
    checkpoint: str = ""  # below OUT, gone at the end

    def in_folders(self, inputs: Path, out: Path) -> list[str]:
        """The words with the paths of files."""
        found = []
        for word in self.words:
            if word.split("/")[0] == OUT:
                found.append(str(out / word.removeprefix(OUT).lstrip("/")))
            else:
                found.append(str(inputs / word) if (inputs / word).exists() else word)
        return found


COMMANDS = {
    "train": Command(("train", *ROWS, "-o", "OUT/model.manyhot", *SETTINGS)),
    "stream": Command(("train", *ROWS, "-o", "OUT/model.manyhot", "--stream", *SETTINGS)),
    "predict csv": Command((*PREDICT, "OUT/predictions.csv")),
    "thresholds": Command(("thresholds", "songs.manyhot", "--set", "mood_sad=0.4", "-o", "OUT/model.manyhot")),
    "guarantee": Command(
        ("guarantee", "songs.manyhot", "new.csv", "--miss-rate", "0.3", "-o", "OUT/model.manyhot", "--quiet")
    ),
    "report": Command(("report", "songs.manyhot", "-o", "OUT/report.html", "--quiet")),
    "checkpoint": Command(
        (
            *("train", *ROWS, "-o", "OUT/model.manyhot", *SETTINGS),
            *("--checkpoint", "OUT/states", "--checkpoint-every", "0.001"),
        ),
        checkpoint="states",
    ),
    "stream checkpoint": Command(
        (
            *("train", *ROWS, "-o", "OUT/model.manyhot", "--stream", *SETTINGS),
            *("--checkpoint", "OUT/states", "--checkpoint-every", "0.001"),
        ),
        checkpoint="states",
    ),
    "extreme": Command(("train", *ROWS, "-o", "OUT/model.manyhot", "--extreme", "--epochs", "1", "--quiet")),
    "predict parquet": Command((*PREDICT, "OUT/predictions.parquet")),
    "predict jsonl": Command((*PREDICT, "OUT/predictions.jsonl", "--explain")),
    "predict files": Command(("predict", "songs.manyhot", "rows.csv", "more.csv", "--quiet", "-o", "OUT/files")),
    "predict plots": Command(
        ("predict", "cnn.manyhot", *IMAGES, "-o", "OUT/predictions.csv", "--plots", "OUT/plots", "--max-plots", "2")
    ),
    "predict masks": Command(("predict", "pixels.manyhot", *IMAGES, "-o", "OUT/masks")),
    "evaluate plots": Command(("evaluate", "cnn.manyhot", *IMAGES, "--labels", "above,below", "--plots", "OUT/plots")),
    "card": Command(("card", "songs.manyhot", "-o", "OUT/card.md")),
    "report on rows": Command(("report", "songs.manyhot", "rows.csv", "-o", "OUT/report.html", "--quiet")),
    "label errors csv": Command(("label-errors", "songs.manyhot", "-o", "OUT/errors.csv", "--quiet")),
    "label errors parquet": Command(("label-errors", "songs.manyhot", "-o", "OUT/errors.parquet", "--quiet")),
    "next": Command(("next", "songs.manyhot", "rows.csv", "-o", "OUT/next.csv", "--quiet")),
    "decide": Command(("decide", "scores.csv", "--labels", "mood_*", "-o", "OUT/model.manyhot", "--quiet")),
    "tune": Command(
        ("tune", *ROWS, *SETTINGS, "--trials", "2", "--space", "learning_rate=1e-3..1e-2", "-o", "OUT/model.manyhot")
    ),
    "export": Command(("export", "songs.manyhot", "-o", "OUT/songs.onnx")),
    "inspect": Command(("inspect", "songs.manyhot", "--plot", "OUT/curves.png")),
    "check": Command(("check", *ROWS, "--plot", "OUT/labels.svg", "--quiet")),
    "cv": Command(("cv", *ROWS, *FEW, "--plot", "OUT/cv.svg", "--quiet")),
    "compare heads": Command(("compare-heads", *ROWS, *FEW, "--plot", "OUT/heads.html", "--quiet")),
    "songs": Command(("demo", "--files", "OUT/songs"), replaces=False),
}
KILLED = ("train", "stream", "predict csv", "thresholds", "guarantee", "report")
"""The commands whose outputs take long to make or are somebody's only copy."""
QUICK = tuple(name for name in COMMANDS if name not in ("extreme", "cv", "compare heads", "tune", "stream checkpoint"))


def prepare(folder: Path) -> Path:
    """Tables, images and models that the commands read."""
    folder.mkdir(parents=True)
    songs().write_csv(folder / "rows.csv")
    songs(20, seed=1).write_csv(folder / "more.csv")
    new = songs(seed=2)  # rows that training has not seen
    new.with_columns("n" + new["song_id"]).write_csv(folder / "new.csv")
    scores = {f"p_{name}": 0.2 + 0.5 * songs()[name] for name in NAMES}
    songs().select("song_id", *NAMES).with_columns(**scores).write_csv(folder / "scores.csv")
    for name, model in (("images_cnn", "cnn.manyhot"), ("pixels", "pixels.manyhot")):
        shutil.copy(FROZEN / name / "model.manyhot", folder / model)
    generator, lines = np.random.default_rng(0), ["image,above,below"]
    for k in range(3):
        pixels = generator.integers(0, 256, (16, 24), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"image-{k}.png")
        lines.append(f"image-{k}.png,{k % 2},{k // 2}")
    (folder / "images.csv").write_text("\n".join(lines) + "\n")
    words = ["train", str(folder / "rows.csv"), "--labels", "mood_*", "-o", str(folder / "songs.manyhot"), *SETTINGS]
    done = run(words)
    assert done.code == 0, done.err
    return folder


def run(words: Sequence[str]) -> Done:
    """Run `manyhot` in this process."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(list(words))
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def contents(folder: Path) -> dict[str, bytes]:
    """The files below a folder by their names in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Outputs:
    """What a command writes: its files as they are before (`old`, whole files of the same kind) and after (`new`)."""

    def __init__(self, command: Command, inputs: Path, folder: Path, run: Callable[[list[str]], Done] = run) -> None:
        self.command, self.inputs = command, inputs
        folder.mkdir(parents=True)
        done = run(self.words(folder))
        assert done.code == 0, done.err
        self.new = contents(folder)
        self.old = {name: content + b"\n" for name, content in self.new.items()} if command.replaces else {}
        self.stems = {temporary_stem(Path(name)) for name in self.new}

    def words(self, folder: Path) -> list[str]:
        """The command's words for an output folder."""
        return self.command.in_folders(self.inputs, folder)

    def calls(self, folder: Path) -> list[Call]:
        """The calls on its outputs that the command makes in a new folder where there are older ones."""
        self.lay_old(folder)
        with FileCalls(folder) as watched:
            done = run(self.words(folder))
        assert done.code == 0, done.err
        return watched.calls

    def lay_old(self, folder: Path) -> None:
        """Put the old files into a new folder."""
        folder.mkdir(parents=True)
        for name, content in self.old.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    def assert_whole(self, folder: Path, is_old: bool, is_untouched: bool = False) -> list[str]:
        """Each output is the old file, unless untouched the new one, or absent where there was no old one.

        Returns:
            The names of all other files, checkpoints apart.
        """
        found = contents(folder)
        for name, new in self.new.items():
            content = found.pop(name, None)
            allowed = [self.old.get(name) if is_old else None]
            assert content in allowed or (not is_untouched and self._is_new(name, content, new)), (name, folder)
        return [name for name in found if not self.command.checkpoint or not name.startswith(self.command.checkpoint)]

    def is_done(self, folder: Path) -> bool:
        """Whether all outputs are the new ones."""
        found = contents(folder)
        return all(self._is_new(name, found.get(name), new) for name, new in self.new.items())

    def is_leftover(self, name: str) -> bool:
        """Whether a file is named as killed commands may leave some: temporary files, and the lock of an output."""
        match = TEMPORARY.fullmatch(Path(name).name)
        locks = {f".{Path(output).name}.lock" for output in self.new}
        return (match is not None and match[1] in self.stems) or Path(name).name in locks

    def _is_new(self, name: str, content: bytes | None, new: bytes) -> bool:
        if content is None or content == new:
            return content is not None
        if name.endswith(".json"):  # of a manifest that goes on growing
            found, whole = json.loads(content), json.loads(new)
            return found["parts"].items() <= whole["parts"].items() and {**found, "parts": 0} == {**whole, "parts": 0}
        if content == self.old.get(name):
            return False
        if name.endswith(".html"):
            return content.rstrip().endswith(b"</html>") and _page(content) == _page(new)
        return name.endswith(".manyhot") and _model(content) == _model(new)


def outputs_by_name(inputs: Path, new_folder: Callable[[], Path]) -> Callable[[str], Outputs]:
    """What a command of `COMMANDS` writes, found out once."""
    return cache(lambda name: Outputs(COMMANDS[name], inputs, new_folder()))


@cache
def _page(content: bytes) -> dict[str, object]:
    """What a report shows but for where it comes from, which tells the time."""
    [payload] = re.findall(rb'id="payload"[^>]*>([A-Za-z0-9+/=]+)<', content)
    page = json.loads(zlib.decompress(base64.b64decode(payload)))
    page.pop("provenance")
    return page


@cache
def _model(content: bytes) -> tuple[object, object]:
    """What a model file holds but for its origin, which tells the time."""
    with tempfile.NamedTemporaryFile(suffix=".manyhot") as file:
        file.write(content)
        file.flush()
        found = read(file.name)
    found.document.pop("origin", None)
    return found.document, {key: array.tobytes() for key, array in found.arrays.items()}
