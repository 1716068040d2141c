"""``headcount demo``: a server with made-up data, and questions to it."""
