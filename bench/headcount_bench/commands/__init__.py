"""The commands of ``headcount-bench``: options in, tables or JSON out."""
