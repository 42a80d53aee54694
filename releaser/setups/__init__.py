"""Test setups of the vendor's teams: what they are, how one logs in, and how credentials are replaced."""
