package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
)

// Bytes is the manifest as it is stored: compact JSON without HTML escaping. Equal declarations give equal bytes.
func (m *Manifest) Bytes() []byte {
	b, err := compact(m)
	if err != nil {
		// Only a value no declaration can hold, such as an unknown Load, fails to encode.
		panic(fmt.Errorf("manifest of lake %q: %w", m.Lake, err))
	}
	return b
}

// Hash is the SHA-256 of Bytes in lower-case hexadecimal digits. It names the manifest.
func (m *Manifest) Hash() string {
	sum := sha256.Sum256(m.Bytes())
	return hex.EncodeToString(sum[:])
}

// ParseManifest reads a stored manifest. It refuses another schema version, unknown members, missing members and
// anything else that Bytes would not have written, so a reader never works with half a declaration.
func ParseManifest(b []byte) (*Manifest, error) {
	var version struct {
		SchemaVersion int `json:"schema_version"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if version.SchemaVersion != SchemaVersion {
		return nil, fmt.Errorf("manifest: schema_version is %d, but this version of the library reads %d", version.SchemaVersion, SchemaVersion)
	}
	var m Manifest
	if err := strict(b, &m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	m.fillLists()
	again, err := compact(&m)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if at := difference(b, again); at >= 0 {
		return nil, fmt.Errorf("manifest: not as the library writes it, from byte %d on: got %q, want %q", at, excerpt(b, at), excerpt(again, at))
	}
	return &m, nil
}

// fillLists makes absent lists empty, as Bytes writes them.
func (m *Manifest) fillLists() {
	m.Datasets, m.Landing, m.Models = filled(m.Datasets), filled(m.Landing), filled(m.Models)
	for i := range m.Models {
		m.Models[i].Inputs = filled(m.Models[i].Inputs)
	}
	for i := range m.Datasets {
		e := &m.Datasets[i]
		e.Keys, e.Columns = filled(e.Keys), filled(e.Columns)
		for j := range e.Columns {
			e.Columns[j].Rules = filled(e.Columns[j].Rules)
		}
		e.Rules = filled(e.Rules)
	}
}

func filled[S ~[]E, E any](list S) S {
	if list == nil {
		return S{}
	}
	return list
}

// MarshalJSON renders the gate as the manifest states it.
func (g Gate) MarshalJSON() ([]byte, error) {
	j := gateJSON{MaxQuarantinedShare: g.MaxQuarantinedShare, MaxDeletedShare: g.MaxDeletedShare}
	if g.MinRows != 0 {
		j.MinRows = &g.MinRows
	}
	return compact(j)
}

// UnmarshalJSON reads the gate from the manifest.
func (g *Gate) UnmarshalJSON(b []byte) error {
	var j gateJSON
	if err := strict(b, &j); err != nil {
		return err
	}
	*g = Gate{MaxQuarantinedShare: j.MaxQuarantinedShare, MaxDeletedShare: j.MaxDeletedShare}
	if j.MinRows != nil {
		g.MinRows = *j.MinRows
	}
	return nil
}

type gateJSON struct {
	MaxQuarantinedShare *float64 `json:"max_quarantined_share"`
	MinRows             *int     `json:"min_rows"`
	MaxDeletedShare     *float64 `json:"max_deleted_share,omitempty"`
}

func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("there is more text after the end")
	}
	return nil
}

// difference is the first byte at which a and b differ, or -1.
func difference(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func excerpt(b []byte, at int) []byte { return b[at:min(at+40, len(b))] }
