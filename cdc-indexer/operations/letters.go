package operations

import (
	"context"
	"encoding/json"
	"time"

	"ticketing/internal/rest"
)

// Letter is a dead letter as lists have it.
type Letter struct {
	ID         string     `json:"id" doc:"Where it stands in the dead-letter topic, partition:offset" example:"0:7"`
	State      string     `json:"state" enum:"open,done"`
	Outcome    string     `json:"outcome,omitempty" doc:"How it became done"`
	ResolvedAt *time.Time `json:"resolved_at,omitempty"`
	Reason     string     `json:"reason"`
	Detail     string     `json:"detail"`
	Topic      string     `json:"topic" doc:"Of the original message, as partition and offset"`
	Partition  int        `json:"partition"`
	Offset     int64      `json:"offset"`
	Time       time.Time  `json:"time" doc:"When the message was written"`
	FailedAt   time.Time  `json:"failed_at" doc:"When it became a letter"`
	Key        string     `json:"key" doc:"As it is in the message"`
	Document   string     `json:"document,omitempty" doc:"The _id of the row's document, when the key makes one"`
	Bytes      int        `json:"bytes" doc:"Of the value"`
}

// Letters is what a reading of the topic has found.
type Letters struct {
	Total int      `json:"total" doc:"Open letters that fit"`
	Items []Letter `json:"items" nullable:"false"`
}

// LetterDetails is everything about a letter.
type LetterDetails struct {
	Letter
	Order   *Order            `json:"order,omitempty" doc:"Absent when it cannot be decoded"`
	Headers map[string]string `json:"headers,omitempty"`
	Value   json.RawMessage   `json:"value,omitempty"`
	Base64  []byte            `json:"value_base64,omitempty" doc:"When the value is no JSON"`
	Index   Indexed           `json:"index" doc:"What the index holds for the letter's row"`
}

// Order is where a change stands among all of its row.
type Order struct {
	Version int64 `json:"version"`
	LSN     int64 `json:"lsn"`
}

// Indexed is what the index holds for a row.
type Indexed struct {
	State    string          `json:"state" enum:"document,deleted,nothing,unknown"`
	Error    string          `json:"error,omitempty"`
	Order    *Order          `json:"order,omitempty"`
	Document json.RawMessage `json:"document,omitempty"`
}

// Replayed is what became of letters.
type Replayed struct {
	Letters  []ReplayedLetter `json:"letters" nullable:"false" doc:"The first 1000"`
	DryRun   bool             `json:"dry_run"`
	Outcomes map[string]int   `json:"outcomes" doc:"How many were applied, stale, rejected, ..."`
	Open     int              `json:"open" doc:"Of those chosen, what stays so"`
	Already  int              `json:"done_already" doc:"Were chosen, and done before"`
}

// MaxReplayed is how many letters a Replayed lists.
const MaxReplayed = 1000

// ReplayedLetter is what became of one.
type ReplayedLetter struct {
	ID        string `json:"id"`
	Outcome   string `json:"outcome"`
	Reason    string `json:"reason,omitempty" doc:"Why it stays open"`
	Detail    string `json:"detail,omitempty"`
	FromTable bool   `json:"from_table,omitempty"`
	Key       string `json:"key"`
	Document  string `json:"document,omitempty"`
}

// Filter leaves out letters. Its zero value leaves out none.
type Filter struct {
	Reason string // only those with this reason
	Key    string // only those of this row: the _id of its document, or the message's key as it is
}

// Selection says which letters are meant: those of IDs, or those of the Filter when there are no IDs.
type Selection struct {
	IDs []string
	Filter
}

type listInput struct {
	Limit  int    `query:"limit" minimum:"0" maximum:"1000" default:"50" doc:"0 only counts"`
	Reason string `query:"reason" minLength:"1" doc:"Only those with this reason"`
	Key    string `query:"key" minLength:"1" doc:"Only those of this row: the _id of its document, or the message's key as it is"`
}

// errReading answers when the topic is being read as often as allowed.
const errReading = "the dead letters are being read by others; try again"

func (a *API) listLetters(ctx context.Context, in *listInput) (*answer[Letters], error) {
	leave, err := enter(a.readings, errReading)
	if err != nil {
		return nil, err
	}
	defer leave()
	letters, err := a.pipeline.Letters(ctx, Filter{Reason: in.Reason, Key: in.Key}, in.Limit)
	return &answer[Letters]{letters}, err
}

type letterInput struct {
	ID string `path:"id" pattern:"^[0-9]{1,9}:[0-9]{1,18}$" doc:"partition:offset"`
}

func (a *API) getLetter(ctx context.Context, in *letterInput) (*answer[LetterDetails], error) {
	leave, err := enter(a.readings, errReading)
	if err != nil {
		return nil, err
	}
	defer leave()
	letter, err := a.pipeline.Letter(ctx, in.ID)
	return &answer[LetterDetails]{letter}, err
}

type replayInput struct {
	Body struct {
		All    bool     `json:"all,omitempty" nullable:"true" doc:"All that are open"`
		IDs    []string `json:"ids,omitempty" minItems:"1" maxItems:"100" nullable:"true" doc:"These"`
		Reason string   `json:"reason,omitempty" nullable:"true" minLength:"1" doc:"Those with this reason"`
		Key    string   `json:"key,omitempty" nullable:"true" minLength:"1" doc:"Those of this row: the _id of its document, or the message's key as it is"`
	}
}

func (a *API) replayLetters(ctx context.Context, in *replayInput) (*answer[Replayed], error) {
	body := in.Body
	filter := Filter{Reason: body.Reason, Key: body.Key}
	chosen := 0
	for _, given := range []bool{body.All, len(body.IDs) > 0, filter != Filter{}} {
		if given {
			chosen++
		}
	}
	if chosen != 1 {
		return nil, rest.Unprocessable(rest.At("body", "say which letters: all, or ids, or reason and key"))
	}
	leave, err := enter(a.readings, errReading)
	if err != nil {
		return nil, err
	}
	defer leave()
	replayed, err := a.pipeline.Replay(ctx, Selection{IDs: body.IDs, Filter: filter})
	return &answer[Replayed]{replayed}, err
}
