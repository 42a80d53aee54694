"""What the team does with bundles. The only folder that knows the database and git."""
