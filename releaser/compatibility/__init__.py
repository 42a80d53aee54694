"""On what a hotfix was tested, what the sites of customers are made of, and how far the two lie apart."""
