"""Work that outlives a command: what is queued on a server, done at once without one."""
