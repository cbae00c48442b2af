"""The repositories' contents: one bare git repository each, made when it is first needed.

`store` keeps the folders and runs git in them, `reading` and `writing` are what is asked of it, `noticing` finds out
which refs moved and tells the world, `requests` are pull requests, `http` serves clone, fetch and push, `stories` is
what a test or an example calls.
"""
