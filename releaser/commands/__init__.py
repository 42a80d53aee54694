"""The command line of the vendor, one module per noun."""
