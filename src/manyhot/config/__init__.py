"""Every setting with its default and its range."""
