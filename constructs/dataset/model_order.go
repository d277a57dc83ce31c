package dataset

import (
	"maps"
	"slices"
	"strings"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// checkReferences judges the models against the ids of the datasets.
func checkReferences(models []Model, datasets map[string]bool) error {
	var l check.List
	known := maps.Clone(datasets)
	paths := map[string]string{}
	for _, m := range models {
		if m.ID != m.Domain+"."+m.Name {
			l.Add(m.path(), "the id is not made of domain and name", m.ID, "models as the function Models returns them")
		}
		if datasets[m.ID] {
			l.Add(m.path(), "a dataset has this id", m.ID, "a name that no dataset of the domain has")
		}
		known[m.ID] = true
		paths[m.path()] = m.ID
	}
	l.Under("", Unique(paths))
	for _, m := range models {
		for _, input := range m.Inputs {
			if !known[input] {
				l.Add(m.path(), "refers to no declared dataset or model", input, listing(sorted(known)))
			}
		}
	}
	return l.Err()
}

// order sorts models so that each follows its inputs: of those that may come next, always the one with the lowest id.
// The error names each cycle.
func order(models []Model) ([]Model, error) {
	waiting := map[string]Model{}
	for _, m := range models {
		waiting[m.ID] = m
	}
	ordered := make([]Model, 0, len(models))
	for len(waiting) > 0 {
		next := ""
		for id, m := range waiting {
			if (next == "" || id < next) && !slices.ContainsFunc(m.Inputs, func(input string) bool { _, held := waiting[input]; return held }) {
				next = id
			}
		}
		if next == "" {
			return nil, cycles(waiting)
		}
		ordered = append(ordered, waiting[next])
		delete(waiting, next)
	}
	return ordered, nil
}

// cycles names one cycle for each model that lies on one, each cycle once.
func cycles(waiting map[string]Model) error {
	var l check.List
	seen := map[string]bool{}
	for _, start := range slices.Sorted(maps.Keys(waiting)) {
		cycle := cycleThrough(start, waiting)
		if cycle == nil || seen[start] {
			continue
		}
		for _, id := range cycle {
			seen[id] = true
		}
		l.Add(waiting[start].path(), "refers to itself: "+strings.Join(append(cycle, start), " → "), nil, "models that do not read one another in a circle")
	}
	return l.Err()
}

// cycleThrough is the shortest way from start back to start, without its end; nil when there is none.
func cycleThrough(start string, waiting map[string]Model) []string {
	from := map[string]string{}
	for queue := []string{start}; len(queue) > 0; queue = queue[1:] {
		for _, input := range waiting[queue[0]].Inputs {
			if input == start {
				var back []string
				for id := queue[0]; id != start; id = from[id] {
					back = append(back, id)
				}
				slices.Reverse(back)
				return append([]string{start}, back...)
			}
			if _, visited := from[input]; !visited {
				if _, held := waiting[input]; held {
					from[input] = queue[0]
					queue = append(queue, input)
				}
			}
		}
	}
	return nil
}
