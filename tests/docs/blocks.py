"""Code of the site's pages: blocks, with what a comment above says of how one is tested, and cells of notebooks."""

import re
from pathlib import Path
from typing import NamedTuple

SITE = Path(__file__).parents[2] / "docs"
SECTIONS = ("get-started", "how-to", "explanation", "reference")
NOTE = re.compile(r"^<!-- test: (needs|exhaustive|not run|fails)(?:,? (.*))? -->$")


NOTEBOOK = re.compile(r"^---\n(?:.*\n)*?file_format: mystnb\n(?:.*\n)*?---\n")


class Block(NamedTuple):
    """One block of code."""

    language: str
    code: str
    note: str  # of `NOTE`, or "" for one that runs everywhere
    detail: str  # the module that it needs, the reason that it is not run, the error that it raises


def pages() -> list[Path]:
    """The index, and the pages of every section."""
    return [SITE / "index.md", *sorted(page for name in SECTIONS for page in (SITE / name).rglob("*.md"))]


def notebooks() -> list[Path]:
    """The pages that are run when the site is built, and show their outputs."""
    return [page for page in [*pages(), SITE / "gallery.md"] if is_notebook(page.read_text())]


def is_notebook(text: str) -> bool:
    """Whether a page is a notebook by its head."""
    return NOTEBOOK.match(text) is not None


class Cell(NamedTuple):
    """One cell of code of a notebook."""

    language: str  # "python" or "sh"
    code: str
    makes_files: bool  # that other pages use, as the line `<!-- test files -->` above it says


def code_cells(text: str) -> list[Cell]:
    """The cells of code of a notebook, in their order, without the site's own; one with %%sh is typed in a shell."""
    cells, text = [], re.sub(r"^<!-- site\n.*?^-->$", "", text, flags=re.MULTILINE | re.DOTALL)
    fence = r"^(<!-- test files -->\n)?```\{code-cell\} ipython3\n(.*?)^```$"
    for note, code in re.findall(fence, text, flags=re.MULTILINE | re.DOTALL):
        language = "sh" if code.startswith("%%sh\n") else "python"
        cells.append(Cell(language, code.removeprefix("%%sh\n").rstrip("\n"), bool(note)))
    return cells


def code_blocks(text: str) -> list[Block]:
    """The blocks of Python and shell, in their order."""
    blocks, lines, note, language = [], [], ("", ""), None
    for line in text.splitlines():
        if language is not None:
            if line.startswith("```"):
                blocks.append(Block(language, "\n".join(lines), *note))
                language, lines, note = None, [], ("", "")
            else:
                lines.append(line)
        elif found := NOTE.match(line):
            note = found[1], found[2] or ""
        elif found := re.match(r"^```(python|sh)$", line):
            language = found[1]
        elif line.startswith(("% test", "<!-- test:")):
            raise AssertionError(f"not a note: {line}")
        elif line.strip():
            assert note == ("", ""), f"{note} stands above no block: {line}"
    return blocks


def needs_files(text: str) -> bool:
    """Whether a page's commands name files that `make_files` makes, as its line `<!-- test with files -->` says."""
    return re.search(r"^<!-- test with files -->$", text, flags=re.MULTILINE) is not None


def files_of(text: str) -> str | None:
    """The page whose files a page uses: the one that its line `<!-- test after: PAGE -->` names."""
    found = re.search(r"^<!-- test after: (\S+) -->$", text, flags=re.MULTILINE)
    return found[1] if found else None
