package rest

import (
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// openAPIConfig leaves out huma's own routes: its handlers for the document build it on first use without a lock,
// and its documentation pages load scripts from the internet. Document has both.
func openAPIConfig(program Config) huma.Config {
	config := huma.DefaultConfig(program.Title, "1.0.0")
	config.Info.Description = program.Description
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName(program.SchemaName))
	config.RejectUnknownQueryParameters = true
	return config
}

// schemaName names the schemas of errors for a reader who does not see the packages of their types.
func schemaName(others func(reflect.Type, string) string) func(reflect.Type, string) string {
	if others == nil {
		others = huma.DefaultSchemaNamer
	}
	return func(t reflect.Type, hint string) string {
		named := t
		if named.Kind() == reflect.Pointer {
			named = named.Elem()
		}
		switch named {
		case reflect.TypeFor[huma.ErrorModel]():
			return "Problem"
		case reflect.TypeFor[huma.ErrorDetail]():
			return "ProblemError"
		default:
			return others(t, hint)
		}
	}
}

// AnyErrors are the statuses that any operation may answer.
func AnyErrors() []int {
	return []int{http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable}
}

// DocumentHeaders adds the headers of every answer to an operation's document.
func DocumentHeaders(operation *huma.Operation) {
	for status, response := range operation.Responses {
		if response.Headers == nil {
			response.Headers = map[string]*huma.Param{}
		}
		response.Headers[requestIDHeader] = &huma.Param{
			Description: "The request's own X-Request-Id, or one made for it; the log has it too", Schema: &huma.Schema{Type: huma.TypeString},
		}
		if status == strconv.Itoa(http.StatusServiceUnavailable) {
			response.Headers["Retry-After"] = &huma.Param{
				Description: "Seconds to wait", Schema: &huma.Schema{Type: huma.TypeString, Pattern: "^[0-9]+$"},
			}
		}
	}
}
