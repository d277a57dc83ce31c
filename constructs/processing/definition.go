package processing

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"time"
)

//go:embed pipeline.asl.json
var pipelineASL []byte

// definition renders the state machine. Without models the publish step and the choice before it are left out, so that
// a lake pays for no job it does not need. timeout ends an execution that hangs.
func definition(publish bool, timeout time.Duration) (string, error) {
	var machine map[string]any
	if err := json.Unmarshal(pipelineASL, &machine); err != nil {
		return "", fmt.Errorf("pipeline.asl.json: %w", err)
	}
	machine["TimeoutSeconds"] = int(timeout / time.Second)
	if !publish {
		states := machine["States"].(map[string]any)
		delete(states, "Publish?")
		delete(states, "Publish")
		states["Refined"].(map[string]any)["Next"] = "Finish"
	}
	text, err := json.Marshal(machine)
	return string(text), err
}

//go:embed replay.asl.json
var replayASL []byte

// replayDefinition renders the state machine of replays. timeout ends one that waits for ever.
func replayDefinition(timeout time.Duration) (string, error) {
	var machine map[string]any
	if err := json.Unmarshal(replayASL, &machine); err != nil {
		return "", fmt.Errorf("replay.asl.json: %w", err)
	}
	machine["TimeoutSeconds"] = int(timeout / time.Second)
	text, err := json.Marshal(machine)
	return string(text), err
}
