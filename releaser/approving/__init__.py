"""Approving in the browser: keys of persons that lie there, what is signed, who may sign, and what they look at."""
