"""What engineers and release managers look at first: their work, who is waited for, and which fix is in which baseline."""
