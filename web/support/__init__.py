"""Pages for support: who has what, how we know it, and what is to be done about it."""
