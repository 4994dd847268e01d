package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// connectorName is the name of the connector that a file describes: the file's own, without .json.
func connectorName(path string) string {
	return strings.TrimSuffix(filepath.Base(path), ".json")
}

// readConfig reads a connector's settings: one flat JSON object of strings, as Kafka Connect takes them. It is
// stricter than encoding/json: a name that stands twice is an error, not a last word.
func readConfig(path string) (map[string]string, error) {
	file, err := os.Open(path) //nolint:gosec // reading the file that the user names is the point
	if err != nil {
		return nil, fmt.Errorf("read the connector's settings: %w", err)
	}
	defer func() { _ = file.Close() }()
	config, err := decodeConfig(json.NewDecoder(file))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if config["connector.class"] == "" {
		return nil, fmt.Errorf("%s: the setting connector.class is missing", path)
	}
	return config, nil
}

func decodeConfig(decoder *json.Decoder) (map[string]string, error) {
	decoder.UseNumber()
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.Join(errors.New("want one JSON object of settings"), err)
	}
	config := map[string]string{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		field := name.(string) // a key, or Token would have failed
		var value any
		if err := decoder.Decode(&value); err != nil {
			return nil, fmt.Errorf("setting %s: not JSON: %w", field, err)
		}
		text, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("setting %s: want a string, such as \"1\" or \"true\"; nested objects are not taken", field)
		}
		if _, twice := config[field]; twice {
			return nil, fmt.Errorf("setting %s: stands twice", field)
		}
		config[field] = text
	}
	if _, err := decoder.Token(); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if decoder.More() {
		return nil, errors.New("something follows the JSON object")
	}
	return config, nil
}

// override sets each "name=value" in config.
func override(config map[string]string, assignments []string) error {
	for _, assignment := range assignments {
		field, value, ok := strings.Cut(assignment, "=")
		if !ok || field == "" {
			return fmt.Errorf("--set %q: want name=value", assignment)
		}
		config[field] = value
	}
	return nil
}
