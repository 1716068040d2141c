"""A made-up shop to try Headcount on: data that look real, the same ones every time."""
