"""Every object of every sealed item read again and hashed again: at night, and when asked."""
