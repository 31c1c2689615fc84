"""What is shown of results: tables, figures, JSON. Takes results and computes none."""
