"""Importing files: CSV, JSON Lines and Parquet to batches of writes."""
