"""Cases (案卷): exhibits put in order for one dispute, with its parties and its damages."""
