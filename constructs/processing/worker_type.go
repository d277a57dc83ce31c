package processing

import (
	"slices"
	"strings"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// WorkerType is the size of one worker of a Spark job: each is one executor, or the driver. A larger one has room on its
// disk for more shuffled and cached rows, and memory for wider ones.
//
// Sizes are as https://docs.aws.amazon.com/glue/latest/dg/worker-types.html has them. A DPU is 4 vCPU and 16 GB of
// memory, and costs about 0.44 USD an hour; an M-DPU has 32 GB and its own price (list prices, us-east-1). Not every
// region has the types of 12X, 16X and R.
type WorkerType string

// The disk is what is left of it for a job, about; the page tells none for the R types.
const (
	// G1X has 1 DPU and 44 GB of disk.
	G1X WorkerType = "G.1X"
	// G2X has 2 DPU and 78 GB of disk.
	G2X WorkerType = "G.2X"
	// G4X has 4 DPU and 230 GB of disk.
	G4X WorkerType = "G.4X"
	// G8X has 8 DPU and 485 GB of disk.
	G8X WorkerType = "G.8X"
	// G12X has 12 DPU and 741 GB of disk.
	G12X WorkerType = "G.12X"
	// G16X has 16 DPU and 996 GB of disk.
	G16X WorkerType = "G.16X"
	// R1X has 1 M-DPU.
	R1X WorkerType = "R.1X"
	// R2X has 2 M-DPU.
	R2X WorkerType = "R.2X"
	// R4X has 4 M-DPU.
	R4X WorkerType = "R.4X"
	// R8X has 8 M-DPU.
	R8X WorkerType = "R.8X"
)

var workerTypes = []string{
	string(G1X), string(G2X), string(G4X), string(G8X), string(G12X), string(G16X),
	string(R1X), string(R2X), string(R4X), string(R8X),
}

func (w WorkerType) check(l *check.List, path string) {
	if w != "" && !slices.Contains(workerTypes, string(w)) {
		l.Add(path, "is no worker type of a Spark job", string(w), strings.Join(workerTypes, ", ")+", or none for the default")
	}
}
