"""`make bench-retraining`: what becomes of releases, runs and schedules when much happens at once.

drift ─> windows of rows with and without drift: how often it is found
"""
