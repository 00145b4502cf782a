"""What every request passes before it reaches a route, and every answer on its way out: ASGI middleware.

Nothing here knows what a row or a release is.
"""
