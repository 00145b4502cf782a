"""What can be wrong with a release or a channel.

ReleaseError
├── UnknownReleaseError     no release of that version is in the store
├── IntegrityError          a file is missing, changed, or not listed in the manifest
├── ManifestError           manifest.json is not one this version of the software can read
├── PublishError            the release could not be written; nothing of it is left
├── ChannelError            a channel cannot be read, or cannot be moved as asked
└── PolicyError             a setting about probation or pruning has a value that cannot be meant
"""


class ReleaseError(Exception):
    """The base of all errors about releases; the message is one plain line for a person."""


class UnknownReleaseError(ReleaseError):
    """No release of that version is in the store."""


class IntegrityError(ReleaseError):
    """A file of the release is missing, changed, or not listed in its manifest."""


class ManifestError(ReleaseError):
    """The manifest is not one that this version of the software can read."""


class PublishError(ReleaseError):
    """The release could not be written; nothing of it is left in the store."""


class ChannelError(ReleaseError):
    """A channel cannot be read, or cannot be moved as asked."""


class PolicyError(ReleaseError):
    """A setting about probation or pruning has a value that cannot be meant."""
