"""Bytes to arrays and back: JSON, npy, images and forms in; JSON, npy and a PNG grid out.

`request` reads a body by its Content-Type, `answer` writes one by Accept. A format knows how to read its
bytes safely (nothing is allocated on the word of a header, nothing can run code); whether the rows fit the
live release is for `service.checks` to say.
"""
