package policytest

import (
	"encoding/json"
	"testing"
)

func document(statement string) map[string]any {
	var v map[string]any
	text := `{"Resources": {"P": {"Type": "AWS::IAM::Policy", "Properties": {"PolicyDocument": {"Statement": [` + statement + `]}}}}}`
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		panic(err)
	}
	return v
}

func TestWildcards(t *testing.T) {
	const bucket = `{"Fn::GetAtt": ["B", "Arn"]}`
	path := func(rest string) string { return `{"Fn::Join": ["", [` + bucket + `, "` + rest + `"]]}` }
	tests := []struct {
		name, give string
		want       int
	}{
		{"named", `{"Effect": "Allow", "Action": "s3:GetObject", "Resource": ` + bucket + `}`, 0},
		{"object path", `{"Effect": "Allow", "Action": "s3:GetObject", "Resource": ` + path("/sales/*") + `}`, 0},
		{"whole bucket", `{"Effect": "Allow", "Action": "s3:GetObject", "Resource": ` + path("/*") + `}`, 0},
		{"two stars", `{"Effect": "Allow", "Action": "s3:GetObject", "Resource": ` + path("/*/x*") + `}`, 1},
		{"all buckets", `{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*/*"}`, 1},
		{"bucket suffix", `{"Effect": "Allow", "Action": "s3:GetObject", "Resource": ` + path("*") + `}`, 1},
		{"tables of one database", `{"Effect": "Allow", "Action": "glue:GetTable", "Resource": "arn:aws:glue:r:a:table/db/*"}`, 0},
		{"tables of all databases", `{"Effect": "Allow", "Action": "glue:GetTable", "Resource": "arn:aws:glue:r:a:table/*/*"}`, 1},
		{"everything", `{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}`, 1},
		{"action prefix", `{"Effect": "Allow", "Action": ["s3:Get*", "s3:PutObject"], "Resource": ` + bucket + `}`, 1},
		{"complement", `{"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": ` + bucket + `}`, 1},
		{"anyone", `{"Effect": "Allow", "Action": "s3:GetObject", "Resource": ` + bucket + `, "Principal": {"AWS": "*"}}`, 1},
		{"anyone in short", `{"Effect": "Allow", "Action": "s3:GetObject", "Resource": ` + bucket + `, "Principal": "*"}`, 1},
		{"deny everything", `{"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Principal": "*"}`, 0},
	}
	for _, tt := range tests {
		if got := Wildcards(document(tt.give)); len(got) != tt.want {
			t.Errorf("%s: want %d findings, got %q", tt.name, tt.want, got)
		}
	}
	inline := map[string]any{"Resources": map[string]any{"R": map[string]any{"Type": "AWS::IAM::Role", "Properties": map[string]any{
		"Policies": []any{map[string]any{"PolicyDocument": map[string]any{"Statement": map[string]any{
			"Effect": "Allow", "Action": "*", "Resource": "*"}}}}}}}}
	if got := Wildcards(inline); len(got) != 2 {
		t.Errorf("inline policy: want 2 findings, got %q", got)
	}
}

func TestLiterals(t *testing.T) {
	tests := []struct {
		give string
		want int
	}{
		{`arn:${AWS::Partition}:s3:::b`, 0},
		{`arn:aws:s3:::b`, 1},
		{`arn:aws-cn:iam::111122223333:root`, 2},
		{`s3.eu-west-1.amazonaws.com`, 1},
		{`owner 111122223333`, 1},
		{`1111222233334`, 0},
		{`logs.${AWS::Region}.${AWS::URLSuffix}`, 0},
	}
	for _, tt := range tests {
		got := Literals(map[string]any{"Resources": map[string]any{"X": tt.give}})
		if len(got) != tt.want {
			t.Errorf("%s: want %d, got %q", tt.give, tt.want, got)
		}
	}
	if got := Literals(map[string]any{"Resources": map[string]any{"Limit": 107374182400.0}}); len(got) > 0 {
		t.Errorf("want numbers left alone, got %q", got)
	}
}
