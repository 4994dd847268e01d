package operations

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// operator is the name of the token's security scheme.
const operator = "operator"

// authorize lets a request for a change through only with the operator's token.
func (a *API) authorize(ctx huma.Context, next func(huma.Context)) {
	if len(ctx.Operation().Security) == 0 {
		next(ctx)
		return
	}
	scheme, given, _ := strings.Cut(ctx.Header("Authorization"), " ")
	switch {
	case a.token == "":
		// the client has gone when this fails, here and below
		_ = huma.WriteErr(a.Huma, ctx, http.StatusForbidden,
			"changes are not allowed: the indexer was started without --operator-token (CDC_INDEXER_OPERATOR_TOKEN)")
	case !strings.EqualFold(scheme, "Bearer") || !same(strings.TrimSpace(given), a.token):
		ctx.SetHeader("WWW-Authenticate", `Bearer realm="cdc-indexer"`)
		_ = huma.WriteErr(a.Huma, ctx, http.StatusUnauthorized, "send the operator's token: Authorization: Bearer TOKEN")
	default:
		next(ctx)
	}
}

// same compares in a time that tells nothing of the token, its length included.
func same(given, token string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
