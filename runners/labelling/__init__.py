"""Labels of people: which predictions are worth asking about, how far people agree, what was learnt from it."""
