"""How did training go?"""
