"""Measurements of Headcount; ``bench/README.md`` has figures and the commands that repeat them."""
