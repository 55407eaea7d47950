"""The crawler looks: captures of pages, made by a jailed browser whose only way out is a checking proxy."""
