"""The ways in which a login is tried, and a password changed, for real: one module for each kind of target."""
