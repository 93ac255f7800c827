"""Dataset versions: made from files, profiled, compared, told in cards."""
