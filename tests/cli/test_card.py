"""`manyhot card` prints a card, writes it, and spares texts that somebody wrote."""

import shutil
from pathlib import Path

import pytest

MODEL = Path(__file__).parents[1] / "contract/frozen/saved/table/model.manyhot"


@pytest.mark.slow
def test_a_card_is_printed_written_and_replaced(manyhot, tmp_path):
    model = shutil.copy(MODEL, tmp_path / "songs.manyhot")
    printed = manyhot("card", model).out
    assert printed.startswith("---\nlibrary_name")
    assert "<!-- made by manyhot card, sha256 " in printed
    assert 'load("songs.manyhot")' in printed
    card = tmp_path / "README.md"
    assert manyhot("card", model, "-o", card).code == 0
    assert card.read_text() == printed
    assert manyhot("card", model, "-o", card, "--json").document["card"] == printed
    card.write_bytes(card.read_bytes().replace(b"\n", b"\r\n"))  # as some checkouts have it
    assert manyhot("card", model, "-o", card).code == 0
    card.write_text(f"{printed}\nTested on our songs.\n")
    done = manyhot("card", model, "-o", card)
    assert (done.code, "no card as manyhot wrote it" in done.err) == (2, True)
    assert card.read_text().endswith("Tested on our songs.\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"), [("mine.md", "is no card"), ("card.txt", "ends in .md"), ("no/card.md", "does not exist")]
)
def test_other_files_are_spared(manyhot, tmp_path, name, words):
    (tmp_path / "mine.md").write_text("# My own words\n")
    done = manyhot("card", MODEL, "-o", tmp_path / name)
    assert done.code == 2
    assert words in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.md"]
    assert (tmp_path / "mine.md").read_text() == "# My own words\n"
