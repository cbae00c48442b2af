"""AWS credentials that a job renews by itself, from its identity at GitHub, as long as GitHub vouches for it.

``identity`` asks GitHub for a token, ``role`` exchanges it at AWS, ``keeping`` remembers what came of it, ``profile``
tells AWS's programs how to ask us.
"""
