"""``python -m headcount_client`` is ``headcount``."""

from headcount_client.cli import main

main()
