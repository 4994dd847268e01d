package rest

import (
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
)

// refuseEmptyParameters refuses what huma takes for a parameter that is not there: an empty value. It also refuses a
// query parameter that is there twice, of which huma would take the first, unless it is a list.
func (a *API) refuseEmptyParameters(ctx huma.Context, next func(huma.Context)) {
	request, _ := humachi.Unwrap(ctx)
	query := request.URL.Query()
	var errs []error
	for _, parameter := range ctx.Operation().Parameters {
		location := parameter.In + "." + parameter.Name
		switch parameter.In {
		case "query":
			values, list := query[parameter.Name], parameter.Schema.Type == huma.TypeArray
			switch {
			case list && slices.Contains(values, ""):
				errs = append(errs, At(location, "must not be empty"))
			case !list && (len(values) > 1 || slices.Contains(values, "")):
				errs = append(errs, At(location, "must be given once, and not be empty"))
			}
		case "header":
			if values := request.Header.Values(parameter.Name); len(values) > 0 && values[0] == "" {
				errs = append(errs, At(location, "must not be empty"))
			}
		}
	}
	if len(errs) > 0 {
		// the client has gone when this fails
		_ = huma.WriteErr(a.Huma, ctx, http.StatusUnprocessableEntity, "validation failed", errs...)
		return
	}
	next(ctx)
}
