package storage

import (
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	tests := []struct {
		name string
		give interface{ Validate() error }
		want []string
	}{
		{"nil zone", (*ZoneProps)(nil), nil},
		{"nil artifacts", (*ArtifactsProps)(nil), nil},
		{"nil access logs", (*AccessLogsProps)(nil), nil},
		{"landing", &ZoneProps{Landing: true, Retention: 400 * day, LogPrefix: "raw/"}, nil},
		{"tables", &ZoneProps{NoncurrentRetention: 7 * day}, nil},
		{"unresolved prefix", &ZoneProps{LogPrefix: "${Token[TOKEN.1]}"}, nil},
		{"every problem of a table zone", &ZoneProps{Retention: 5 * day, NoncurrentRetention: time.Hour, LogPrefix: "/raw"}, []string{
			`LogPrefix: is no folder; got "/raw"; allowed: a relative path that ends in a slash`,
			"NoncurrentRetention: is no number of whole days; got 1h0m0s",
			"Retention: would delete the files of live tables; got 120h0m0s; allowed: zero, or Landing: true",
		}},
		{"versions of a landing zone", &ZoneProps{Landing: true, NoncurrentRetention: day}, []string{
			"NoncurrentRetention: would delete versions that batches still name; got 24h0m0s"}},
		{"results", &ZoneProps{ResultRetention: day}, nil},
		{"results of a landing zone", &ZoneProps{Landing: true, ResultRetention: time.Hour}, []string{
			"ResultRetention: has no meaning for a landing zone", "ResultRetention: is no number of whole days"}},
		{"negative retention", &ZoneProps{Landing: true, Retention: -day}, []string{"Retention: is no number of whole days"}},
		{"artifacts", &ArtifactsProps{ResultRetention: time.Minute, LogPrefix: "x"}, []string{"LogPrefix: is no folder", "ResultRetention: is no number of whole days"}},
		{"access logs", &AccessLogsProps{Retention: time.Minute}, []string{"Retention: is no number of whole days"}},
		{"import of nothing", ZoneAttributes{}, []string{"BucketName: is missing", "KeyArn: is missing"}},
	}
	for _, tt := range tests {
		err := tt.give.Validate()
		if (err == nil) != (len(tt.want) == 0) {
			t.Errorf("%s: want %d problems, got %v", tt.name, len(tt.want), err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: want %q in %v", tt.name, want, err)
			}
		}
	}
}

func TestSortedPrefixes(t *testing.T) {
	if got := strings.Join(sortedPrefixes([]string{"b/", "a/c/", "b/"}), " "); got != "a/c/ b/" {
		t.Errorf("want the sorted set, got %q", got)
	}
	if got := sortedPrefixes(nil); len(got) != 1 || got[0] != "" {
		t.Errorf("want the whole bucket, got %q", got)
	}
	for _, bad := range []string{"", "sales", "/sales/", "sales/*", "sa?es/"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("want a panic for %q", bad)
				}
			}()
			sortedPrefixes([]string{bad})
		}()
	}
}
