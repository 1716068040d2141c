"""Pages: sizes and tokens.

A token is opaque: a digest of the question that it belongs to, and where to go on. One that
belongs to another question is refused.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2b

from headcount_server.limits import INT64_MAX, INT64_MIN, Limits
from headcount_server.rpc.bad_rows import refuse

_DIGEST_BYTES = 8
_TEXT, _NUMBER = b"t", b"n"


def page_size(asked: int, limits: Limits) -> int:
    """How many to return: the default for 0, and never more than the limit.

    Raises:
        InvalidInput: a negative number.
    """
    if asked < 0:
        refuse("page_size", f"page_size is {asked}; it must be 0 or more", "OUT_OF_RANGE")
    return min(asked or limits.page_size_default, limits.page_size_max)


def page_token(question: bytes, after: str | int | None) -> str:
    """The token to go on after a key or name; empty for None, the end."""
    if after is None:
        return ""
    if isinstance(after, str):
        place = _TEXT + after.encode()
    else:
        place = _NUMBER + after.to_bytes(8, "big", signed=True)
    return base64.urlsafe_b64encode(_digest(question) + place).decode().rstrip("=")


def place_of(token: str, question: bytes) -> str | int | None:
    """The key or name to go on after; None for an empty token, the start.

    Raises:
        InvalidInput: the token is of another question, or none at all.
    """
    if not token:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        kind, place = raw[_DIGEST_BYTES : _DIGEST_BYTES + 1], raw[_DIGEST_BYTES + 1 :]
        if kind == _TEXT:
            after: str | int | None = place.decode()
        elif kind == _NUMBER and len(place) == 8:
            after = int.from_bytes(place, "big", signed=True)
            assert INT64_MIN <= after <= INT64_MAX
        else:
            after = None
    except (binascii.Error, ValueError):
        raw, after = b"", None
    if after is None:
        refuse("page_token", "this is no page token of this server", "INVALID_PAGE_TOKEN")
    if raw[:_DIGEST_BYTES] != _digest(question):
        what = "the page token belongs to another question; ask it without one from the start"
        refuse("page_token", what, "PAGE_TOKEN_MISMATCH")
    return after


def named_place(token: str, question: bytes) -> str:
    """As ``place_of``, for lists by name; "" for the start."""
    after = place_of(token, question)
    return after if isinstance(after, str) else ""


def _digest(question: bytes) -> bytes:
    return blake2b(question, digest_size=_DIGEST_BYTES).digest()
