"""Languages whose law is known: samplers, likelihoods and posteriors, in numpy.

A source is a component: its fields describe a law, `law()` makes it. Where the
law is known the least loss of an objective is known, and a loss below it is a
leak.
"""
