package ledger

import "context"

// Marker is a place in the listing of a bucket's versions: the last key seen, and its last version seen.
type Marker struct {
	Key     string `json:"key"`
	Version string `json:"version"`
}

// Cursor is where an interrupted pass of reconcile stopped, nil if none was interrupted.
func (t *Table) Cursor(ctx context.Context) (*Marker, error) {
	item, err := t.get(ctx, CursorKey())
	if IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, _ := item.inner("marker")
	return &Marker{Key: m.text("key"), Version: m.text("version")}, nil
}

// SetCursor keeps where reconcile goes on.
func SetCursor(m *Marker) Write {
	return Put(CursorKey(), Values{"marker": map[string]any{"key": m.Key, "version": m.Version}}, "", nil)
}

// DeleteCursor says that the end was reached.
func DeleteCursor() Write { return Delete(CursorKey(), "", nil) }
