"""Keys of subscribers: from key to row and back, and the stable hash of a key."""

from headcount_server.core.keys.directory import Added, KeyDirectory, Keys
from headcount_server.core.keys.hashing import mix, stable_hash, stable_hashes

__all__ = ["Added", "KeyDirectory", "Keys", "mix", "stable_hash", "stable_hashes"]
