"""Telling other programs what happened: events of the audit log go to addresses, signed, in their order."""
