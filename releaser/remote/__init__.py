"""The commands that can be given from afar: under which address of the API each stands, how it is run there and asked for here."""
