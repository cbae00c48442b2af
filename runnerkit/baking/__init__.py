"""Machine images: recipes say what is in one, the baker makes it, the shelf knows which are too old.

``recipe`` and ``steps`` are pure, ``ports`` is the outside as the baker sees it, ``baker`` does the work.
"""
