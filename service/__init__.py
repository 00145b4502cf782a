"""How a manifold is used, and the contract of what is accepted: releases, ONNX Runtime, HTTP.

May import: numpy, onnxruntime, bentoml, starlette and this room. Must never reach torch, torchvision, prefect,
`models` or `flows`: what both sides need is in the release, or it is not needed.
"""
