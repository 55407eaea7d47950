"""读取 reading: files as received, how their text is encoded, how it is cut into rows."""
