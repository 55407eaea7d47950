"""办案 casework: clues, cases, their workflow, deadlines and numbers."""
