package dispatch

import (
	"testing"
	"time"
)

func TestPause(t *testing.T) {
	const startedAt = "2026-03-01T08:00:00.250Z"
	started, _ := time.Parse(time.RFC3339, "2026-03-01T08:00:00Z")
	for give, want := range map[time.Duration]int{-time.Minute: 30, time.Minute: 30, 10 * time.Minute: 59, time.Hour: 300, 7 * 24 * time.Hour: 300} {
		if got, err := pause(startedAt, started.Add(give)); err != nil || got != want {
			t.Errorf("after %s: %d, %v; want %d", give, got, err, want)
		}
	}
	if _, err := pause("yesterday", started); err == nil {
		t.Error("took a start that is no time")
	}
	// Nine events for each look, of 25,000 that an execution has room for.
	events, now := 0, started
	for now.Sub(started) < 7*24*time.Hour {
		seconds, err := pause(startedAt, now)
		if err != nil {
			t.Fatal(err)
		}
		events, now = events+9, now.Add(time.Duration(seconds)*time.Second)
	}
	if events > 20000 {
		t.Errorf("%d events in seven days", events)
	}
}
