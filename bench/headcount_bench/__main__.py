"""``python -m headcount_bench``."""

from headcount_bench.cli import main

main()
