"""How the sealing of evidence stands as a whole: what waits, and whether everything it rests on is there."""
