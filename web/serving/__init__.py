"""The server that `patchline serve` is: gunicorn, set so that slow and many clients hold nobody up."""
