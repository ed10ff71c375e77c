"""Every function in Lambda's own runtime: `make sam-test`."""
