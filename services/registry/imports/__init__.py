"""导入 imports: one CSV file, one row a shop."""
