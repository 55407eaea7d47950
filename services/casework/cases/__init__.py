"""案件 cases: a filed violation with its evidence."""
