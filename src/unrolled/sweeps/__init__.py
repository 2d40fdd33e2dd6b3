"""Many runs of one command: what a job is, who starts it, what is searched, what is left."""
