"""`make bench-retraining`: what becomes of releases, runs and schedules when much happens at once.

promotions ─> promotions asked at once by many processes: what is lost of them
"""
