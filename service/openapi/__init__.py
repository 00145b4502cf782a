"""What the service says of itself: the OpenAPI document, a part for each family of routes."""
