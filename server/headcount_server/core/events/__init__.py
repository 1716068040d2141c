"""Events: compact columns by calendar day, and behaviour buckets (roll-ups of bitmaps) over them.

``store`` writes, ``view`` reads, ``evaluate`` answers ``did`` nodes from ``lanes`` of blocks,
``select`` scans columns for the candidates that bitmaps leave.
"""
