"""What sets off runs by itself: new data, a schedule, drift, a new commit; what is decided, and by which process."""
