package processing

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

func TestWindow(t *testing.T) {
	tests := map[string]struct {
		give []time.Duration
		want time.Duration
	}{
		"no promise":        {nil, time.Minute},
		"only zero":         {[]time.Duration{0, 0}, time.Minute},
		"a quarter":         {[]time.Duration{15 * time.Minute}, 225 * time.Second},
		"the tightest":      {[]time.Duration{time.Hour, 0, 4 * time.Minute}, time.Minute},
		"not below 5 s":     {[]time.Duration{time.Second}, 5 * time.Second},
		"not above 15 min":  {[]time.Duration{24 * time.Hour}, 15 * time.Minute},
		"in whole seconds":  {[]time.Duration{61 * time.Second}, 15 * time.Second},
		"between the edges": {[]time.Duration{2 * time.Minute}, 30 * time.Second},
	}
	for name, tt := range tests {
		if got := Window(tt.give...); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

func TestSettingsValidate(t *testing.T) {
	if err := (Settings{}).Validate(); err != nil {
		t.Errorf("the zero value is refused: %v", err)
	}
	edges := []Settings{
		{Lease: 10 * time.Second, MaxAttempts: 1, MaxBatchObjects: 1, MaxBatchBytes: 1 << 20, Workers: 2, MaxConcurrentRuns: 1,
			JobTimeout: 5 * time.Minute, SweepEvery: time.Minute, MaintainEvery: time.Hour},
		{Lease: 12 * time.Hour, MaxAttempts: 20, MaxBatchObjects: 10_000, MaxBatchBytes: 1 << 40, Workers: 299,
			MaxConcurrentRuns: 1000, JobTimeout: 7 * 24 * time.Hour, SweepEvery: 24 * time.Hour, MaintainEvery: 7 * 24 * time.Hour},
	}
	for _, s := range edges {
		if err := s.Validate(); err != nil {
			t.Errorf("%+v is refused: %v", s, err)
		}
	}
	bad := Settings{Lease: 9 * time.Second, MaxAttempts: 21, MaxBatchObjects: -1, MaxBatchBytes: 5, Workers: 1,
		MaxConcurrentRuns: 1001, JobTimeout: time.Minute, SweepEvery: 90 * time.Second, MaintainEvery: time.Minute}
	var all *check.Error
	if !errors.As(bad.Validate(), &all) {
		t.Fatal("nothing is refused")
	}
	for _, w := range workerTypes {
		if err := (Settings{WorkerType: WorkerType(w)}).Validate(); err != nil {
			t.Error(err)
		}
	}
	err := Settings{WorkerType: "Standard"}.Validate()
	if err == nil || !strings.Contains(err.Error(), `WorkerType: is no worker type of a Spark job; got "Standard"; allowed: G.1X, G.2X`) {
		t.Errorf("a type that Glue 5.1 does not know: %v", err)
	}
	for _, path := range []string{"Lease", "MaxAttempts", "MaxBatchObjects", "MaxBatchBytes", "Workers",
		"MaxConcurrentRuns", "JobTimeout", "SweepEvery", "MaintainEvery"} {
		if !strings.Contains(all.Error(), path+": is out of range; got ") {
			t.Errorf("%s is not refused: %v", path, all)
		}
	}
}
