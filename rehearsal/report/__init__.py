"""The report of a rehearsal: report.json for programs, a self-contained HTML page for people, tables on the console."""
