"""Who has what: customers, sites, how their levels are known, and the questions asked about them."""
