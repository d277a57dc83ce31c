package contract

import "strings"

// Environment variables of a delivery stream's functions.
const (
	// RoutingVariable holds a Routing as JSON.
	RoutingVariable = "ROUTING"
	// DeliveryStream is the name of the Firehose stream, ErrorsPrefix the folder of what it could not deliver.
	DeliveryStream = "DELIVERY_STREAM"
	ErrorsPrefix   = "ERRORS_PREFIX"
)

// Routing is how a delivery stream's records find their datasets.
type Routing struct {
	// Field is the top-level JSON field that names the dataset. Empty: every record belongs to the first dataset.
	Field string `json:"field"`
	// Datasets are the ids of the stream's datasets. Records without a name belong to the first.
	Datasets []string `json:"datasets"`
}

// Partition keys that the transform gives each record, and the value of both for names that get no route of their own. A
// leading underscore marks it as the lake's own: no domain or dataset can have the name.
const (
	PartitionDomain  = "domain"
	PartitionDataset = "dataset"
	UnroutedName     = "_unrouted"
)

// MaxRecordBytes is the largest record a Firehose stream takes: 1,000 KiB.
const MaxRecordBytes = 1000 * 1024

// ErrorsFolder is where a source's delivery service writes what it could not deliver, beside the source's own folder:
// clicks/ gives clicks-errors/.
func ErrorsFolder(folder string) string { return folder[:len(folder)-1] + "-errors/" }

// UnroutedFolder is where the records of a source land whose names get no folder of their own: clicks/ gives
// clicks/_unrouted/.
func UnroutedFolder(folder string) string { return folder + UnroutedName + "/" }

// FolderOfErrors is the source's folder beside which ErrorsFolder lies: clicks-errors/ gives clicks/.
func FolderOfErrors(folder string) string { return strings.TrimSuffix(folder, "-errors/") + "/" }

// ActionRedeliver puts the records of failed deliveries, or of names without a folder, back into the stream.
const ActionRedeliver = "redeliver"

// FailedDeliveries counts objects of records that a delivery service could not deliver.
const FailedDeliveries = "FailedDeliveries"
