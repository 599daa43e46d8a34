"""Text from a trained run: what comes next, a translation, what fills a blank.
"""
