"""Database migrations. Imported by nobody; reads the tables only."""
