"""Pages and API over releaser; no rules of their own."""
