package manifest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strata-cdk/strata/constructs/dataset"
)

type bucket struct {
	body string
	err  error
	gets int
}

func (b *bucket) GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	b.gets++
	return &s3.GetObjectOutput{Body: io.NopCloser(strings.NewReader(b.body))}, b.err
}

func declared(t *testing.T) *dataset.Manifest {
	t.Helper()
	m, err := dataset.NewManifest("commerce", []dataset.Spec{{Domain: "sales", Name: "orders", Keys: []string{"id"},
		Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint, Required: true}}}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestLoad(t *testing.T) {
	m := declared(t)
	b := &bucket{body: string(m.Bytes()), err: errors.New("slow down")}
	l := &Loader{Client: b, Bucket: "assets", Key: "m.json", Hash: m.Hash(), Lake: "commerce"}
	if _, err := l.Load(t.Context()); err == nil {
		t.Fatal("a failed read went unseen")
	}
	b.err = nil
	for range 2 {
		got, err := l.Load(t.Context())
		if err != nil || got.Hash != m.Hash() || !got.Has("sales.orders") || got.Has("sales.items") || got.IDs()[0] != "sales.orders" {
			t.Fatalf("loaded %+v, %v", got, err)
		}
	}
	if b.gets != 2 {
		t.Errorf("%d reads, want one that failed and one that is kept", b.gets)
	}
}

func TestLoadRefuses(t *testing.T) {
	m := declared(t)
	tests := []struct{ body, hash, lake, want string }{
		{string(m.Bytes()), strings.Repeat("0", 64), "commerce", "deployed was 000"},
		{string(m.Bytes()), m.Hash(), "other", `is of lake "commerce", this is lake "other"`},
		{"{}", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "commerce", "manifest s3://assets/m.json"},
	}
	for _, tt := range tests {
		_, err := (&Loader{Client: &bucket{body: tt.body}, Bucket: "assets", Key: "m.json", Hash: tt.hash, Lake: tt.lake}).Load(t.Context())
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v lacks %q", err, tt.want)
		}
	}
}
