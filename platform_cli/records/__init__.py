"""What a run wrote down about itself; the only reader of Metaflow's datastore."""
