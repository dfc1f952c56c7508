"""Experiment I4: do the induction heads need heads of lower layers that attend to the previous token?"""
