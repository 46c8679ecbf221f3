"""
Recommendations for customers, sessions and product pages.

`pipeline.recommend` runs the steps in order: load the context of the request (`context`), generate
candidates (`candidates`), combine their scores (`scoring`), apply hard filters (`filters`) and
business rules (`rules`), diversify, and attach the reasons (`reasons`). `explain` runs the same
steps for one product and reports why it is recommended, or why not.
"""
