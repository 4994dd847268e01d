package kafkaconnect

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A FieldError names a setting that the connector's plugin does not accept, and why.
type FieldError struct {
	Field    string   `json:"field"`
	Messages []string `json:"messages"`
}

// An InvalidError lists the settings for which a configuration was rejected.
type InvalidError struct {
	Name   string
	Fields []FieldError
}

func (e *InvalidError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: the configuration is rejected:", e.Name)
	for _, field := range e.Fields {
		for _, message := range field.Messages {
			fmt.Fprintf(&text, "\n  %s: %s", field.Field, message)
		}
	}
	return text.String()
}

// Validate has the plugin check the settings; Debezium also connects to the database for that. It returns an
// *InvalidError for settings that are wrong, and otherwise the names of those settings that neither Connect nor the
// plugin declares: misspelt ones, as a rule, since Connect itself ignores them silently.
func (c *Client) Validate(ctx context.Context, name string, config map[string]string) (unknown []string, err error) {
	asked := maps.Clone(config)
	asked["name"] = name
	var answer struct {
		Configs []struct {
			Value struct {
				Name   string   `json:"name"`
				Errors []string `json:"errors"`
			} `json:"value"`
		} `json:"configs"`
	}
	path := "/connector-plugins/" + url.PathEscape(config["connector.class"]) + "/config/validate"
	if err := c.do(ctx, http.MethodPut, path, asked, &answer); err != nil {
		return nil, err
	}
	invalid := &InvalidError{Name: name}
	declared := map[string]bool{}
	for _, setting := range answer.Configs {
		declared[setting.Value.Name] = true
		if len(setting.Value.Errors) > 0 {
			invalid.Fields = append(invalid.Fields, FieldError{setting.Value.Name, setting.Value.Errors})
		}
	}
	if len(invalid.Fields) > 0 {
		return nil, invalid
	}
	for _, field := range slices.Sorted(maps.Keys(asked)) {
		// The default group of topic.creation is checked when the connector starts, not declared.
		if !declared[field] && !strings.HasPrefix(field, "topic.creation.default.") {
			unknown = append(unknown, field)
		}
	}
	return unknown, nil
}
