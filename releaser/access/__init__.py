"""Who comes in by the web and the API: their sessions, and how often somebody may try."""
