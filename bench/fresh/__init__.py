"""Programs that `bench.processes` runs in fresh processes. They stay until their standard input ends."""
