"""The signed artefact a customer holds: manifest, bundle, verify, apply, roll back. No database, no git, no network."""
