package split

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/manifest"
	"github.com/strata-cdk/strata/lambda/internal/raw"
)

// partBytes is from where on a dataset's records of one file go into a further object: 8 MiB. A job reads an object as a
// whole, and one such buffer per table is what an invocation holds.
const partBytes = 8 << 20

// reasonLimit bounds what the ledger keeps of a reason, in bytes.
const reasonLimit = 1000

// route is where the records of a table go; landing is empty for one that no dataset declares.
type route struct{ dataset, landing string }

// file hands the records of one transaction file to their datasets. It is read twice, so that nothing is written of one
// that is not understood to its end. What cannot be handed on is noted, counted, and no error.
func (h *Handler) file(ctx context.Context, loaded *manifest.Loaded, f ledger.Unsplit, summary *Summary) error {
	routes := map[[2]string]route{}
	records, undeclared, err := h.survey(ctx, loaded.Manifest, f.Object, routes)
	var bad *NoCSV
	if errors.As(err, &bad) || isGone(err) {
		summary.Failed++
		return h.note(ctx, f.Object, ledger.ObjectFailed, err.Error(), loaded.Hash)
	}
	if err == nil {
		err = h.write(ctx, f.Object, routes)
	}
	if err != nil {
		return err
	}
	for _, n := range records {
		summary.Records += n
	}
	if len(undeclared) > 0 {
		summary.Unroutable++
		reason := fmt.Sprintf("no dataset claims the records of %s; the others are handed on: declare a dataset for each",
			strings.Join(slices.Sorted(maps.Keys(undeclared)), ", "))
		return h.note(ctx, f.Object, ledger.ObjectUnroutable, reason, loaded.Hash)
	}
	summary.Split++
	slog.Info("split", "key", f.Key, "version", f.Version, "records", records)
	err = h.Ledger.Apply(ctx, ledger.SetSplit(f.Object, records, contract.Time(h.Now()))...)
	if err != nil && !ledger.Refused(err) { // refused: another invocation has said so
		return fmt.Errorf("record that it is split: %w", err)
	}
	return nil
}

// survey counts the file's records by dataset, and those of tables that no dataset declares by table; routes is filled.
func (h *Handler) survey(ctx context.Context, m *dataset.Manifest, o contract.Object, routes map[[2]string]route) (records, undeclared map[string]int64, err error) {
	records, undeclared = map[string]int64{}, map[string]int64{}
	prefix := o.Key[:strings.LastIndexByte(o.Key, '/')+1]
	err = h.eachRecord(ctx, o, func(r Record) error {
		table := [2]string{r.Schema, r.Table}
		to, known := routes[table]
		if !known {
			to = routeOf(m, prefix, r.Schema, r.Table)
			routes[table] = to
		}
		if to.landing == "" {
			undeclared[r.Schema+"."+r.Table]++
		} else {
			records[to.dataset]++
		}
		return nil
	})
	return records, undeclared, err
}

// routeOf finds the landing of a table's own folder. Names that are no folder's find none.
func routeOf(m *dataset.Manifest, prefix, schema, table string) route {
	want := contract.TableLanding(prefix, schema, table)
	i := slices.IndexFunc(m.Landing, func(l dataset.Landing) bool { return l.Generation != nil && l.Prefix == want })
	if i < 0 {
		return route{}
	}
	return route{dataset: m.Landing[i].Dataset, landing: want}
}

// part is what is gathered of a table's records: from counts the bytes of those before it in the file.
type part struct {
	from    int64
	records bytes.Buffer
}

// write puts each table's records below its dataset's landing prefix, as they are.
func (h *Handler) write(ctx context.Context, o contract.Object, routes map[[2]string]route) error {
	parts := map[string]*part{}
	put := func(landing string) error {
		p := parts[landing]
		to := p.from + int64(p.records.Len())
		key := contract.TransactionPartKey(landing, contract.ObjectID{Key: o.Key, Version: o.Version}, p.from, to)
		err := h.put(ctx, key, p.records.Bytes())
		p.from = to
		p.records.Reset()
		return err
	}
	err := h.eachRecord(ctx, o, func(r Record) error {
		landing := routes[[2]string{r.Schema, r.Table}].landing
		if landing == "" {
			return nil
		}
		p := parts[landing]
		if p == nil {
			p = &part{}
			parts[landing] = p
		}
		if p.records.Len() > 0 && p.records.Len()+len(r.Bytes) > partBytes {
			if err := put(landing); err != nil {
				return err
			}
		}
		p.records.Write(r.Bytes)
		return nil
	})
	for _, landing := range slices.Sorted(maps.Keys(parts)) {
		if err == nil && parts[landing].records.Len() > 0 {
			err = put(landing)
		}
	}
	return err
}

// put writes an object unless it is there already: its name determines its content.
func (h *Handler) put(ctx context.Context, key string, body []byte) error {
	_, err := h.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: &h.Bucket, Key: &key, Body: bytes.NewReader(body),
		ContentType: aws.String("text/csv"), IfNoneMatch: aws.String("*")})
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "PreconditionFailed" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write s3://%s/%s: %w", h.Bucket, key, err)
	}
	return nil
}

// eachRecord calls do for the records of a file.
func (h *Handler) eachRecord(ctx context.Context, o contract.Object, do func(Record) error) (err error) {
	body, err := raw.Open(ctx, h.S3, h.Bucket, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	cutter := NewCutter(body)
	for {
		r, err := cutter.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = do(r)
		}
		if err != nil {
			return err
		}
	}
}

// isGone tells whether the file's version is not there any more.
func isGone(err error) bool {
	var noKey *s3types.NoSuchKey
	var api smithy.APIError
	return errors.As(err, &noKey) || errors.As(err, &api) && api.ErrorCode() == "NoSuchVersion"
}

// note keeps why a file's records have not all reached a dataset.
func (h *Handler) note(ctx context.Context, o contract.Object, state, reason, declared string) error {
	slog.Warn("not split", "key", o.Key, "version", o.Version, "state", state, "reason", reason)
	err := h.Ledger.Apply(ctx, ledger.SetUnsplit(o, state, strings.ToValidUTF8(reason[:min(len(reason), reasonLimit)], ""), declared))
	if ledger.Refused(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("note that it is %s: %w", state, err)
	}
	return h.Metrics.Count(map[string]int64{contract.UnsplitTransactions: 1})
}
