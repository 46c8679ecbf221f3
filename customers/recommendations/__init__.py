"""
What would this person want, here and now, and why.

The road is one function, `answering.recommend`: who is asking (`knowing`), where products may come from (`candidates`),
what may not be shown whatever its score (`filtering`), in which order the rest (`mixing`, and staff's `ruling`), and what may
be said of why (`explaining`). `judging` walks the same road for one product.
"""
