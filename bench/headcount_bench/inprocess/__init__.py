"""The engine measured in this process: no server, no gRPC, no log."""
