package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ticketing/eventapi/event"
	"ticketing/eventapi/idempotency"
	"ticketing/internal/rest"
)

// MaxBatch is how many events one request may create.
const MaxBatch = 1000

type createInput struct {
	IdempotencyKey string `header:"Idempotency-Key" minLength:"1" maxLength:"255" pattern:"^[!-~]+$" patternDescription:"visible ASCII characters" doc:"Makes the request safe to repeat: it is carried out once, and repetitions get the first answer"`
}

// batchBody and batchAnswer are the documented shapes of POST /events:batch.
type batchBody struct {
	Items []event.New `json:"items" nullable:"false" minItems:"1" maxItems:"1000"`
}

type batchAnswer struct {
	Items []event.Event `json:"items" nullable:"false"`
}

func (a *API) create(ctx context.Context, in *createInput) (*eventOutput, error) {
	members, err := object(body(ctx))
	if err != nil {
		return nil, err
	}
	wanted, errs := decodeNew(members, "body")
	if len(errs) > 0 {
		return nil, rest.Unprocessable(errs...)
	}
	out, err := a.createOnce(ctx, in, "POST /events", []event.New{wanted}, func(created []event.Event, at event.Position) (*eventOutput, error) {
		out, err := eventAnswer(http.StatusCreated, created[0])
		if err != nil {
			return nil, err
		}
		out.Location = "/events/" + created[0].ID.String()
		out.WriteToken = writeToken(created[0].ID, at)
		return out, nil
	})
	if item := (*event.ItemError)(nil); errors.As(err, &item) {
		return nil, item.Err // there is only one
	}
	return out, err
}

func (a *API) createBatch(ctx context.Context, in *createInput) (*eventOutput, error) {
	wanted, err := decodeBatch(body(ctx))
	if err != nil {
		return nil, err
	}
	return a.createOnce(ctx, in, "POST /events:batch", wanted, func(created []event.Event, _ event.Position) (*eventOutput, error) {
		return answer(http.StatusCreated, batchAnswer{Items: created})
	})
}

func decodeBatch(text []byte) ([]event.New, error) {
	members, err := object(text)
	if err != nil {
		return nil, err
	}
	var errs []*huma.ErrorDetail
	for name := range members {
		if name != "items" {
			errs = append(errs, rest.At("body."+name, "is not a field that can be written"))
		}
	}
	var items []json.RawMessage
	if err := json.Unmarshal(members["items"], &items); err != nil || items == nil {
		return nil, rest.Unprocessable(append(errs, rest.At("body.items", "must be an array of events"))...)
	}
	if len(items) == 0 || len(items) > MaxBatch {
		return nil, rest.Unprocessable(append(errs, rest.At("body.items", fmt.Sprintf("must have between 1 and %d elements", MaxBatch)))...)
	}
	wanted := make([]event.New, len(items))
	for i, item := range items {
		location := fmt.Sprintf("body.items[%d]", i)
		var members map[string]json.RawMessage
		if err := json.Unmarshal(item, &members); err != nil || members == nil {
			errs = append(errs, rest.At(location, "must be a JSON object"))
			continue
		}
		var wrong []*huma.ErrorDetail
		wanted[i], wrong = decodeNew(members, location)
		errs = append(errs, wrong...)
	}
	if len(errs) > 0 {
		return nil, rest.Unprocessable(errs...)
	}
	return wanted, nil
}

// createOnce creates the events and answers with what render makes of them: every time, or once for a key.
func (a *API) createOnce(
	ctx context.Context, in *createInput, operation string, wanted []event.New,
	render func([]event.Event, event.Position) (*eventOutput, error),
) (*eventOutput, error) {
	if in.IdempotencyKey == "" {
		created, at, err := a.store.Create(ctx, wanted)
		if err != nil {
			return nil, err
		}
		return render(created, at)
	}
	request := idempotency.Request{Key: in.IdempotencyKey, Hash: requestHash(operation, body(ctx))}
	given, err := a.store.CreateOnce(ctx, request, wanted, func(created []event.Event, at event.Position) (idempotency.Answer, error) {
		out, err := render(created, at)
		if err != nil {
			return idempotency.Answer{}, err
		}
		return toAnswer(out), nil
	})
	if err != nil {
		return nil, err
	}
	return fromAnswer(given), nil
}

func requestHash(operation string, body []byte) []byte {
	hash := sha256.New()
	_, _ = io.WriteString(hash, operation+"\n") // a hash never fails to write
	_, _ = hash.Write(body)
	return hash.Sum(nil)
}

func toAnswer(out *eventOutput) idempotency.Answer {
	headers := map[string]string{"Content-Type": out.ContentType}
	if out.ETag != "" {
		headers["ETag"] = out.ETag
	}
	if out.Location != "" {
		headers["Location"] = out.Location
	}
	if out.WriteToken != "" {
		headers["Write-Token"] = out.WriteToken
	}
	return idempotency.Answer{Status: out.Status, Headers: headers, Body: out.Body}
}

func fromAnswer(given idempotency.Answer) *eventOutput {
	out := &eventOutput{
		Status:      given.Status,
		ContentType: given.Headers["Content-Type"],
		ETag:        given.Headers["ETag"],
		Location:    given.Headers["Location"],
		WriteToken:  given.Headers["Write-Token"],
		Body:        given.Body,
	}
	if given.Replayed {
		out.Replayed = "true"
	}
	return out
}
