"""The checks that every rule must pass, for your own rules too."""
