"""What it costs that nothing is lost: durable writes, snapshots beside reads, recovery."""
