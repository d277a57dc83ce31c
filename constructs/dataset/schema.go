package dataset

import _ "embed"

// ManifestSchema is the JSON Schema (draft 2020-12) of the manifest.
//
//go:embed manifest.schema.json
var ManifestSchema []byte
