"""`make bench-retraining`: what becomes of releases, runs and schedules when much happens at once.

nothing_changed ─> a run that has nothing to do: how long it takes
promotions ─> promotions asked at once by many processes: what is lost of them
schedules  ─> a schedule of every 20 seconds whose worker is killed: what overlaps, is lost, or gets stuck
drift ─> windows of rows with and without drift: how often it is found
"""
