package gobuild

// Module is the import path of this module; its handlers lie below Module + "/lambda/".
const Module = "github.com/strata-cdk/strata"

// Handlers are the import paths of the handlers this module ships. They are compiled together, because they share most
// of what they import. A test holds this list, deps.go and the lambda directory together.
var Handlers = []string{
	Module + "/lambda/dispatch",
	Module + "/lambda/notice",
	Module + "/lambda/reconcile",
	Module + "/lambda/record",
	Module + "/lambda/redeliver",
	Module + "/lambda/replication",
	Module + "/lambda/restore",
	Module + "/lambda/split",
	Module + "/lambda/transform",
}
