package contract

// CorrectionsFolder is where files of corrections lie in the raw bucket: corrections/<domain>/<dataset>/… No source has it.
const CorrectionsFolder = "corrections/"

// Bounds of a file of corrections, and of the files that one batch may have.
const (
	MaxCorrectionBytes = 8 << 20
	MaxCorrectionLines = 5000
	MaxCorrectionFiles = 50
)

// CorrectionsKey is the key, in the artifacts bucket, of what became of the corrections of a batch's records.
func CorrectionsKey(batch string) string { return "corrections/" + batch + ".json" }
