"""API keys: who may ask for what. Knows neither HTTP nor the service's routes.

`key_file` is what is kept of them on the disk, `ring` what a running service knows of that file, and `address` why a
service without keys listens to its own machine only.
"""
