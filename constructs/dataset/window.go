package dataset

import (
	"slices"
	"time"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// Window bounds how far an append looks for stored rows of a record's key, so that it does not read all of a large table.
// Time is cut into spans of Length, counted from 1970-01-01T00:00:00Z, and a key counts once in each: a record is looked
// up among stored rows whose Column lies in the same span, and nowhere else. What is sent again with the same time is
// therefore always found; a record with the key of another span is another row. A table that has a window keeps its Column; its
// Length may become a divisor of what it was, and whatever else changes fails batches (schema).
type Window struct {
	// Column is the date or timestamp that says which span a record belongs to, such as the time of the event. It is
	// always required, and neither protected nor a key.
	Column string
	// Length is the length of a span: whole hours, up to 366 days; whole days if Column is a date.
	Length time.Duration
}

const (
	day          = 24 * time.Hour
	maxWindow    = 366 * day
	windowLength = "whole hours from 1h to 8784h (366 days), whole days for a date"
)

// WindowEntry is a Window as the manifest states it.
type WindowEntry struct {
	Column  string `json:"column"`
	Seconds int64  `json:"seconds"`
}

func (w Window) render() *WindowEntry {
	if w == (Window{}) {
		return nil
	}
	return &WindowEntry{Column: w.Column, Seconds: int64(w.Length / time.Second)}
}

func (s Spec) checkWindow(l *check.List) {
	w := s.Window
	if w == (Window{}) {
		return
	}
	if s.Load != Append {
		l.Add("Window", "has no meaning for load kind "+s.Load.String()+", which looks for the stored row of every key", w.Column, "nothing, or Load: Append")
		return
	}
	if len(s.Keys) == 0 {
		l.Add("Window", "has no key to look for: records without one are told apart by where they landed", w.Column, "nothing; or Keys")
		return
	}
	c, ok := s.column(w.Column)
	if w.Length < time.Hour || w.Length > maxWindow || w.Length%time.Hour != 0 || c.Type == Date && w.Length%day != 0 {
		l.Add("Window.Length", "is no length of a span", w.Length, windowLength)
	}
	const columns = "an unprotected column of type date or timestamp that is no key"
	switch {
	case !ok:
		l.Add("Window.Column", "is no declared column", w.Column, s.columnNames())
	case c.Type != Date && c.Type != Timestamp:
		l.Add("Window.Column", "tells no time: its column is of type "+string(c.Type), w.Column, columns)
	case c.Protect != None:
		l.Add("Window.Column", "tells no time once its column is protected by "+c.Protect.String(), w.Column, columns)
	case slices.Contains(s.Keys, w.Column):
		l.Add("Window.Column", "is a key column, so each of its values is a span already", w.Column, columns)
	}
}
