"""Open-loop load over gRPC: calls are sent when they are due, however slow the answers are."""
