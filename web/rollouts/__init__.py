"""Pages for whoever manages releases: how hotfixes go out, and what was recalled."""
