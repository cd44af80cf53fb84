"""What do the mistakes share, and what taught it?"""
