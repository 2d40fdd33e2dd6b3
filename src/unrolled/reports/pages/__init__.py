"""`report.html`: one page for a run or a sweep, which needs no other file and no network."""
