"""Access control: who may see and do what (contract, section 3). Nothing else decides."""
