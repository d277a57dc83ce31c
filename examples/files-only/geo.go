package main

import "github.com/strata-cdk/strata/constructs/dataset"

var region = dataset.Spec{
	Domain: "geo", Name: "region", Owner: "master-data", Doc: "One row per world region.",
	Load: dataset.Append, Keys: []string{"r_regionkey"},
	Columns: []dataset.Column{
		{Name: "r_regionkey", Type: dataset.Bigint},
		{Name: "r_name", Type: dataset.String, Required: true, Class: dataset.Public},
		{Name: "r_comment", Type: dataset.String},
	},
}

var nation = dataset.Spec{
	Domain: "geo", Name: "nation", Owner: "master-data", Doc: "One row per nation, with its region.",
	Load: dataset.Append, Keys: []string{"n_nationkey"},
	Columns: []dataset.Column{
		{Name: "n_nationkey", Type: dataset.Bigint},
		{Name: "n_name", Type: dataset.String, Required: true, Class: dataset.Public},
		{Name: "n_regionkey", Type: dataset.Bigint, Required: true, Rules: dataset.Rules{dataset.Between(0, 4)}},
		{Name: "n_comment", Type: dataset.String},
	},
}
