package security

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
		{"nil key", (*KeyProps)(nil), nil},
		{"nil log group", (*LogGroupProps)(nil), nil},
		{"nil keys", (*KeysProps)(nil), nil},
		{"good log group", &LogGroupProps{Retention: 365 * day}, nil},
		{"every problem of a key", &KeyProps{Description: strings.Repeat("x", 8193), Services: []ServiceUse{LogGroups, "Fax"}},
			[]string{"Description: is too long; got 8193; allowed: at most 8192 characters", `Services[1]: is no known use of a key; got "Fax"; allowed: AlarmsToTopics, `}},
		{"odd retention", &LogGroupProps{Retention: 8 * day}, []string{"Retention: is no retention of CloudWatch Logs; got 192h0m0s; allowed: whole days out of 1, 3, 5"}},
		{"part of a day", &LogGroupProps{Retention: 25 * time.Hour}, []string{"Retention:"}},
		{"negative retention", &LogGroupProps{Retention: -day}, []string{"Retention:"}},
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

// TestServiceUseRows holds the table to what it promises: explicit actions, and conditions that bind the caller.
func TestServiceUseRows(t *testing.T) {
	for name, row := range serviceUses {
		for _, a := range row.actions {
			if strings.ContainsAny(a, "*?") {
				t.Errorf("%s: wildcard action %s", name, a)
			}
		}
		if len(row.context) == 0 {
			t.Errorf("%s: no encryption context", name)
		}
		if strings.HasPrefix(row.principal, "events") && row.context["aws:sns:topicArn"] != (arnPattern{}) && row.sourceAccount {
			t.Errorf("%s: SNS does not support source conditions for EventBridge", name)
		}
	}
}
