"""What a schema of some size will need, from coefficients that were measured."""
