"""Which layer and which method may I believe?"""
