"""What speaks for and against a label in one row."""
