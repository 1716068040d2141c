"""How latency, memory and load time grow with the number of subscribers."""
