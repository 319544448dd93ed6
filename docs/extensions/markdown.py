"""Plain text as Markdown that shows it unchanged."""

import re


def escape(text: str) -> str:
    """Escape what Markdown would take as markup, but for code between backticks."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_\[\]<>{}$#|~^])", r"\\\1", part) for part in parts)
