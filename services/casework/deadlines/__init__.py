"""期限 deadlines: dated rules of law and the working-day calendar."""
