"""The register's tables, split by subject."""
