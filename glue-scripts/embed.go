// Package gluescripts holds the PySpark jobs of the lake: the entry scripts and the lakejobs package they import.
package gluescripts

import "embed"

// FS holds refine.py, publish.py, maintain.py, erase.py, validate.py and lakejobs/. Packagers skip __pycache__ directories, which a local run leaves behind.
//
//go:embed refine.py publish.py maintain.py erase.py validate.py all:lakejobs
var FS embed.FS
