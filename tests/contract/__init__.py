"""The OpenAPI document against the running stack: what is described is what is answered, whatever is sent."""
