"""The invented songs of `manyhot demo --files`: tables as people have them, to type along with the README."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from manyhot.errors import OutputError
from manyhot.files import write_file

UNLABELLED = "new-songs.csv"
FILES = {"songs.csv": 800, "more-songs.csv": 200, UNLABELLED: 20}  # name -> number of songs
GENRES = ("folk", "soul", "pop", "rock", "techno", "ambient")
GENRE_CENTERS = np.array([[0.30, 0.50], [0.45, 0.45], [0.65, 0.70], [0.80, 0.35], [0.90, 0.60], [0.15, 0.40]])
WORDS = {
    "happy": ("Summer", "Sunshine", "Holiday", "Laughter", "Sunday", "Gold"),
    "sad": ("Rain", "Goodbye", "Tears", "Winter", "Ashes", "Farewell"),
    "quiet": ("Lullaby", "Whisper", "Moon", "Candle", "Snow", "Harbour"),
    "dance": ("Rhythm", "Saturday", "Neon", "Midnight", "Party", "Beat"),
    "angry": ("Riot", "Thunder", "Fire", "War", "Liar", "Fury"),
    "dreamy": ("Cloud", "Ocean", "Starlight", "Sleep", "Mirror", "Horizon"),
}
PLAIN_WORDS = (
    "Road",
    "River",
    "City",
    "Train",
    "Letter",
    "Garden",
    "Window",
    "Morning",
    "House",
    "Street",
    "Name",
    "Home",
)
PATTERNS = ("{} {}", "{} and {}", "{} for the {}", "{} in the {}", "No {}, No {}")
P_ABOUT_A_MOOD, P_WRONG, P_UNKNOWN, P_NO_YEAR = 0.5, 0.015, 0.03, 0.04


def write_songs(folder: Path) -> list[Path]:
    """Write the tables into a folder that is there, the same ones every time; files with other contents stay.

    Raises:
        OutputError: one of the files is there with other contents.
    """
    contents = {}
    for seed, (name, n_songs) in enumerate(FILES.items()):
        table = draw_songs(np.random.default_rng(seed), n_songs)
        if name == UNLABELLED:
            table = table.drop([f"mood_{mood}" for mood in WORDS])
        contents[folder / name] = table.write_csv().encode()
    for path, content in contents.items():
        if path.exists() and not (path.is_file() and path.read_bytes() == content):
            raise OutputError(f"{path} exists and is another file; choose another folder for the songs")
    for path, content in contents.items():
        write_file(path, content)
    return list(contents)


def draw_songs(generator: np.random.Generator, n_songs: int) -> pl.DataFrame:
    """Songs whose moods depend on energy and brightness, of which the columns show a part.

    As in real tables, some moods are wrong, some were never asked (empty), and some years are missing.
    """
    energy, brightness = generator.beta(1.6, 1.6, n_songs), generator.beta(1.8, 1.8, n_songs)
    far = ((np.stack([energy, brightness], axis=1)[:, None] - GENRE_CENTERS) ** 2).sum(axis=-1)
    genre = np.argmax(-14 * far + generator.gumbel(size=far.shape), axis=1)
    is_acoustic = np.isin(genre, [0, 5])
    logits = np.stack(
        [
            11 * (brightness - 0.62) + 2 * (energy - 0.5),
            11 * (0.40 - brightness) + 3 * (0.5 - energy),
            13 * (0.36 - energy) + 1.5 * is_acoustic,
            12 * (energy - 0.62) + 5 * (brightness - 0.5) + 1.5 * (genre == 4),
            16 * (energy - 0.72) + 14 * (0.38 - brightness) - 2.5,
            12 * (0.42 - energy) + 3 * (genre == 5) - 3.5,
        ],
        axis=1,
    )
    moods = generator.logistic(size=logits.shape) * 1.0 < logits
    titles = [_title(generator, row) for row in moods]
    columns = {
        "title": titles,
        "genre": [GENRES[k] for k in genre],
        "year": [
            None if generator.random() < P_NO_YEAR else int(year) for year in generator.integers(1965, 2025, n_songs)
        ],
        "tempo": (75 + 75 * energy + generator.normal(0, 12, n_songs)).round(1),
        "loudness": (-16 + 10 * energy + generator.normal(0, 1.5, n_songs)).round(1),
        "acousticness": np.clip(0.9 - 0.8 * energy + generator.normal(0, 0.12, n_songs), 0, 1).round(3),
        "brightness": np.clip(brightness + generator.normal(0, 0.08, n_songs), 0, 1).round(3),
    }
    recorded = np.where(moods ^ (generator.random(moods.shape) < P_WRONG), 1.0, 0.0)
    recorded[generator.random(moods.shape) < P_UNKNOWN] = np.nan
    for mood, values in zip(WORDS, recorded.T, strict=True):
        columns[f"mood_{mood}"] = pl.Series(values).fill_nan(None).cast(pl.Int8)
    return pl.DataFrame(columns)


def _title(generator: np.random.Generator, moods: np.ndarray) -> str:
    """Two words in a pattern; some are about a mood of the song."""
    about = [word for has_mood, words in zip(moods, WORDS.values(), strict=True) if has_mood for word in words]
    chosen: list[str] = []
    while len(chosen) < 2:
        word = str(generator.choice(about if about and generator.random() < P_ABOUT_A_MOOD else PLAIN_WORDS))
        if word not in chosen:
            chosen.append(word)
    return str(generator.choice(PATTERNS)).format(*chosen)
