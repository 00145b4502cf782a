"""What a service has seen, as statistics: counts, mean and covariance of codes, histograms. Never a row, never a code.

`sketch` adds up and merges, `windows` keeps sketches on disk, `sightings` is what requests tell, `seen` answers
`GET /v1/drift`. Whether the data have drifted is decided by `flows.steps.drift`.
"""
