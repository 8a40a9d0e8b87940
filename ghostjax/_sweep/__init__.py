"""Many runs: any field is an axis."""
