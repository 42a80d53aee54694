"""Handing out what was published: what a site may fetch, where it lies, and what is written down about it."""
