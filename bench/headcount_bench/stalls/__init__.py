"""How long cheap reads take while a server has something heavy to do."""
