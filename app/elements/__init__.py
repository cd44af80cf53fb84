"""What several views show: header, gallery, matrix, bars, filters, inspector."""
