// Package tpch holds what the examples share: the curated tables over TPC-H and the questions asked of them.
package tpch

import "embed"

// Models are the curated tables, one query of Spark SQL per file.
//
//go:embed models/*/*.sql
var Models embed.FS

// Queries are the named queries, one query of Athena SQL per file.
//
//go:embed queries/*.sql
var Queries embed.FS
