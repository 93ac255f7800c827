"""The side of a run that lives in the user's interpreter: standard library alone at import, Python 3.9 syntax.

`runners/child.py` loads this folder as the package `_trainshed`, so that no module of the user's project is shadowed;
inside it all imports are relative. The supervisor imports `runners.userside.series` by its real name for its own
series.
"""
