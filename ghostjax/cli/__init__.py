"""The command line: the only place where names stand for objects."""
