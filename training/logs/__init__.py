"""The logs of trainings elsewhere, whatever program wrote them."""
