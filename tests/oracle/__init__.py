"""A slow and obvious second implementation of what every rule means, to hold the engine against.

It shares no code with ``headcount_server.core`` but the classes of the rule tree and of the schema.
"""
