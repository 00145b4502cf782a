"""`make bench-retraining`: what becomes of releases, runs and schedules when much happens at once.

nothing_changed ─> a run that has nothing to do: how long it takes
promotions ─> promotions asked at once by many processes: what is lost of them
drift ─> windows of rows with and without drift: how often it is found
"""
