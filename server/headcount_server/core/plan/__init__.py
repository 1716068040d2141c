"""From a rule to a set: bind to a schema, rewrite, evaluate, explain."""
