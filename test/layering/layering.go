// Package layering states which part of the repository may import which, and finds imports that break it.
package layering

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Module is the import path of this module.
const Module = "github.com/strata-cdk/strata"

// Graph maps the import path of each package of the module to what it imports, tests included.
type Graph map[string][]string

// below lists, for each layer of constructs/, the layers it may import. Siblings (the middle row) never import one
// another; they meet through interfaces of storage and catalog.
var below = map[string][]string{
	"internal":    {"dataset", "persona"},
	"dataset":     {},
	"persona":     {},
	"security":    {"dataset", "persona"},
	"storage":     {"dataset", "persona", "security"},
	"catalog":     {"dataset", "persona", "security", "storage"},
	"ingestion":   {"dataset", "persona", "security", "storage", "catalog"},
	"processing":  {"dataset", "persona", "security", "storage", "catalog"},
	"governance":  {"dataset", "persona", "security", "storage", "catalog"},
	"consumption": {"dataset", "persona", "security", "storage", "catalog"},
	"operations":  {"dataset", "persona", "security", "storage", "catalog"},
	"delivery":    {"dataset", "persona", "security", "storage", "catalog"},
	"lake": {"dataset", "persona", "security", "storage", "catalog", "ingestion", "processing", "governance",
		"consumption", "operations", "delivery"},
}

// declarations are the layers that stay plain Go, so that functions can read them.
var declarations = append([]string{"constructs/dataset", "constructs/persona"}, plain...)

// plain are the helpers that declarations, and their tests, may import.
var plain = []string{"constructs/internal/check", "constructs/internal/effects"}

// cdk are the modules that only constructs and what composes them may import.
var cdk = []string{"github.com/aws/aws-cdk-go/", "github.com/aws/constructs-go/", "github.com/aws/jsii-runtime-go", "github.com/cdklabs/"}

// Violations lists each import that breaks the direction, sorted, with the rule it breaks.
func Violations(g Graph) []string {
	var found []string
	for from, imports := range g {
		for _, to := range imports {
			if rule := broken(strings.TrimPrefix(from, Module+"/"), to); rule != "" {
				found = append(found, fmt.Sprintf("%s imports %s: %s", from, to, rule))
			}
		}
	}
	found = append(found, reach(g)...)
	sort.Strings(found)
	return slices.Compact(found)
}

// broken names the rule that an import breaks; it is empty when the import is fine.
func broken(from, to string) string {
	local, inModule := strings.CutPrefix(to, Module+"/")
	if !inModule {
		if slices.Contains(declarations, from) && !standard(to) {
			return "declarations import the standard library, internal/check and internal/effects only"
		}
		if from == "lambda/contract" && !standard(to) {
			return "lambda/contract imports the standard library only"
		}
		return ""
	}
	source, target := layer(from), layer(local)
	switch {
	case within(from, "lambda"):
		if !within(local, "lambda") && !slices.Contains(declarations, local) {
			return "functions import packages below lambda and the declarations only"
		}
		if from == "lambda/contract" {
			return "lambda/contract imports the standard library only"
		}
	case within(from, "glue-scripts"):
		return "glue-scripts only embeds the jobs"
	case slices.Contains(declarations, from):
		if !slices.Contains(plain, local) {
			return "declarations import the standard library, internal/check and internal/effects only"
		}
	case within(from, "constructs"):
		return brokenBetweenLayers(from, local, source, target)
	}
	return ""
}

func brokenBetweenLayers(from, to, source, target string) string {
	switch {
	case within(to, "examples") || within(to, "test"):
		return "the library imports neither examples nor tests"
	case within(to, "lambda"):
		if to != "lambda/contract" && from != "constructs/internal/asset/gobuild" {
			return "constructs know functions by lambda/contract only"
		}
	case within(to, "constructs"):
		allowed, known := below[source]
		if !known {
			return "constructs/" + source + " is no layer; add it to the test with its place"
		}
		if target != source && target != "internal" && !slices.Contains(allowed, target) {
			return source + " may not import " + target
		}
	}
	return ""
}

// reach finds the CDK below packages that must stay free of it, however many imports away.
func reach(g Graph) []string {
	var found []string
	for from := range g {
		local := strings.TrimPrefix(from, Module+"/")
		if !within(local, "lambda") && !slices.Contains(declarations, local) {
			continue
		}
		if path := pathToCDK(g, from, map[string]bool{}); path != nil {
			found = append(found, fmt.Sprintf("%s: it reaches the CDK, which is for constructs only", strings.Join(path, " imports ")))
		}
	}
	return found
}

func pathToCDK(g Graph, from string, seen map[string]bool) []string {
	seen[from] = true
	for _, to := range g[from] {
		if slices.ContainsFunc(cdk, func(prefix string) bool { return strings.HasPrefix(to, prefix) }) {
			return []string{from, to}
		}
		if _, ours := g[to]; ours && !seen[to] {
			if path := pathToCDK(g, to, seen); path != nil {
				return append([]string{from}, path...)
			}
		}
	}
	return nil
}

func layer(path string) string {
	path, _ = strings.CutPrefix(path, "constructs/")
	name, _, _ := strings.Cut(path, "/")
	return name
}

func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}
