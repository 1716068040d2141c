"""Headcount beside other engines: the same questions over the same files, answers checked equal."""
