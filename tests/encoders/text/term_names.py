"""What each column of an encoder of n-grams stands for."""

from manyhot.encoders.text.tfidf import NgramEncoder


def term_names(encoder: NgramEncoder) -> tuple[str, ...]:
    """Such as "word: so good", "characters: goo" or "hashed words: 17"."""
    if encoder.hashed:
        return tuple(f"hashed {part}: {k}" for part, idf in encoder._idf.items() for k in range(len(idf)))
    shown = {"words": "word", "characters": "characters"}
    return tuple(f"{shown[part]}: {term}" for part, terms in encoder._terms.items() for term in terms)
