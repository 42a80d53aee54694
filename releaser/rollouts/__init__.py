"""To whom a hotfix goes when, and what people are told."""
