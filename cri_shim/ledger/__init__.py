"""The one recorder of requests: hops, helpers, stages, and the bill made of them."""
