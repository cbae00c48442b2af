"""Does ``setup github`` make what is needed at GitHub, no more, and take it back?"""
