"""
How good recommendations are, told from what people bought after, by the very functions that serve.

Of a file of events: `splitting` before and after a moment, what is `counted` before it, `ranking` by simple orders and by ours,
`measuring`. With pandas and scipy, so not for the web process.
"""
