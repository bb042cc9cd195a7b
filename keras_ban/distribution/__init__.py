"""Several devices and machines, exact as one."""
