"""What the register knows, as documents: the same for `--json`, for pages and for the API."""
