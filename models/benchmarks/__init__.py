"""Tables of published accuracies."""
