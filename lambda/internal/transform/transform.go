// Package transform prepares the records of a delivery stream for the raw zone: it copies their bytes, ends each with a
// newline and says where it goes. It rejects none: what it cannot route lands all the same, and is quarantined by refine.
package transform

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/strata-cdk/strata/lambda/contract"
)

// MaxResponse is the largest response in bytes. Lambda's limit for synchronous invocations is documented as 6 MB.
const MaxResponse = 6_000_000

// Putter puts records into a delivery stream: all of them, or it fails.
type Putter interface {
	Put(ctx context.Context, stream string, records [][]byte) error
}

// Handler answers Firehose's invocations. It is idempotent but for records it puts back into the stream, which may come
// twice when Firehose retries an invocation: a delivery is at least once in any case, and the datasets' keys tell
// duplicates.
type Handler struct {
	Routes *Routes
	Stream Putter
	// MaxResponse is the bound of the response in bytes.
	MaxResponse int
}

// event is what Firehose sends, as far as it is used. Data is base64 in the text.
type event struct {
	InvocationID      string   `json:"invocationId"`
	DeliveryStreamARN string   `json:"deliveryStreamArn"`
	Records           []record `json:"records"`
}

type record struct {
	ID   string `json:"recordId"`
	Data []byte `json:"data"`
}

// Invoke answers with every record of the event, in the event's order: those that fit the response as they are to be
// delivered, the rest as dropped, once they are back in the stream. If they cannot be put back the invocation fails, and
// Firehose sends the same records again.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, fmt.Errorf("the event is not one of Firehose: %w", err)
	}
	answers := make([]answer, len(e.Records))
	for i, r := range e.Records {
		answers[i] = h.answer(r)
	}
	rest, err := fit(answers, h.MaxResponse)
	if err != nil {
		return nil, fmt.Errorf("invocation %s: %w", e.InvocationID, err)
	}
	if len(rest) > 0 {
		stream := e.DeliveryStreamARN[strings.LastIndexByte(e.DeliveryStreamARN, '/')+1:]
		back := make([][]byte, len(rest))
		for i, at := range rest {
			back[i] = e.Records[at].Data
		}
		if err := h.Stream.Put(ctx, stream, back); err != nil {
			return nil, fmt.Errorf("invocation %s: put %d records back into %s: %w", e.InvocationID, len(back), stream, err)
		}
		slog.Info("put back what does not fit the response", "invocation", e.InvocationID, "records", len(back), "of", len(e.Records))
	}
	return render(answers), nil
}

// answer is the response to one record.
type answer struct {
	id       string // as JSON
	domain   string
	dataset  string
	data     []byte
	added    string // what is added to data
	dropped  bool
	original int // bytes of the record as it came
}

func (h *Handler) answer(r record) answer {
	id, _ := json.Marshal(r.ID) // a string always renders
	a := answer{id: string(id), data: r.Data, original: len(r.Data)}
	a.domain, a.dataset, _ = strings.Cut(h.Routes.Of(r.Data), ".")
	if len(r.Data) == 0 || r.Data[len(r.Data)-1] != '\n' {
		a.added = "\n"
	}
	return a
}

// The parts of a response. Names of domains and datasets need no escapes.
const (
	head, tail  = `{"records":[`, `]}`
	okHead      = `","metadata":{"partitionKeys":{"` + contract.PartitionDomain + `":"`
	okMiddle    = `","` + contract.PartitionDataset + `":"`
	okTail      = `"}}}`
	idHead      = `{"recordId":`
	okResult    = `,"result":"Ok","data":"`
	droppedTail = `,"result":"Dropped","data":""}`
)

func (a *answer) okSize() int {
	return len(idHead) + len(a.id) + len(okResult) + base64.StdEncoding.EncodedLen(len(a.data)+len(a.added)) +
		len(okHead) + len(a.domain) + len(okMiddle) + len(a.dataset) + len(okTail)
}

func (a *answer) droppedSize() int { return len(idHead) + len(a.id) + len(droppedTail) }

// fit drops as many answers as the bound demands and returns their indexes. Records too large to be put into a stream
// are the last to be dropped; of the others the first have precedence, so that a record that is put back moves on.
func fit(answers []answer, limit int) (rest []int, err error) {
	size := len(head) + len(tail) + max(0, len(answers)-1)
	order := make([]int, len(answers))
	for i := range answers {
		order[i] = i
		size += answers[i].droppedSize()
	}
	if size > limit {
		return nil, fmt.Errorf("%d record ids alone are %d bytes of response; at most %d are allowed", len(answers), size, limit)
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return compareBool(answers[j].original > contract.MaxRecordBytes, answers[i].original > contract.MaxRecordBytes)
	})
	for _, i := range order {
		more := answers[i].okSize() - answers[i].droppedSize()
		if size+more > limit {
			answers[i].dropped = true
			rest = append(rest, i)
			continue
		}
		size += more
	}
	return rest, nil
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// render writes the response. Its length is what fit has counted.
func render(answers []answer) []byte {
	size := len(head) + len(tail) + max(0, len(answers)-1)
	for i := range answers {
		if answers[i].dropped {
			size += answers[i].droppedSize()
		} else {
			size += answers[i].okSize()
		}
	}
	out := append(make([]byte, 0, size), head...)
	var whole []byte
	for i := range answers {
		a := &answers[i]
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, idHead...), a.id...)
		if a.dropped {
			out = append(out, droppedTail...)
			continue
		}
		whole = append(append(whole[:0], a.data...), a.added...)
		out = base64.StdEncoding.AppendEncode(append(out, okResult...), whole)
		out = append(append(out, okHead...), a.domain...)
		out = append(append(out, okMiddle...), a.dataset...)
		out = append(out, okTail...)
	}
	return append(out, tail...)
}
