"""`python -m manyhot` is `manyhot`: a process of our own."""

import atexit

from manyhot.cli import main
from manyhot.gc_pause import freeze_heap


def run() -> None:
    """Run `manyhot` with the words of this process, and end it."""
    atexit.register(freeze_heap)
    main()


if __name__ == "__main__":
    run()
