"""Every call of the contract, as steps that a transport drives; see ``steps``."""
