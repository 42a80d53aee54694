"""Pages of setups, their loans, and what hotfixes were tested on."""
