"""Access control: who may see and do what (contract, section 3). Nothing else decides.

`principal` turns claims into a caller and says what the caller may ever do; `predicates` turns the caller into the
condition that every query carries.
"""
