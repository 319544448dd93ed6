"""Models to files, and files to models."""
