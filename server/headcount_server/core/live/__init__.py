"""Counts that move by themselves: sets of subscribers kept up to date as writes and time go on."""
