"""Tables of datasets, in the format that each declares, behind one interface."""
