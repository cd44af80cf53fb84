"""Where did it look?"""
