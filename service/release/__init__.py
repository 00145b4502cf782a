"""The release: one immutable folder that holds all serving needs, and the channels that name releases.

`home` says where things lie, `manifest` what a release must state, `integrity` whether it is unharmed,
`store` puts releases into BentoML's model store whole or not at all, `channels` moves the champion and keeps the
journal. `flows` writes what is defined here; nothing here knows how a release came to be.
"""
