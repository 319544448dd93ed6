"""Rules between labels: implied and exclusive labels, and how many a row may have."""
