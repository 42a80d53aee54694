"""Reads and writes secrets in Vault; keeps none."""
