"""The benchmark of graphscore.

Words: a *workload* is a folder of input files and the model for them; a *side* is what is measured on it, graphscore
or a rival; a *pair* is one run of each side, in turn; a *row* is a measured number, with a target where there is one;
a *section* is what is measured together, under a name that can be asked for.
"""
