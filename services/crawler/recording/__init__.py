"""What a capture records: bytes, pictures, text, certificates, steps, environment."""
