"""`python -m manyhot` is `manyhot`."""

from manyhot.cli import main

main()
