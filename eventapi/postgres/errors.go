package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"ticketing/eventapi/event"
)

// constraints says which field a check constraint of init-sql is about. Validation comes first, so these are met
// when the schema has become stricter than this program.
var constraints = map[string]event.FieldError{
	"events_title_length":       {Field: "title", Message: "must have between 1 and 300 characters"},
	"events_category_length":    {Field: "category", Message: "must have between 1 and 100 characters"},
	"events_organizer_length":   {Field: "organizer", Message: "must have between 1 and 200 characters"},
	"events_venue_length":       {Field: "venue_name", Message: "must have at most 200 characters, venue_address at most 500"},
	"events_city_length":        {Field: "city", Message: "must have at most 200 characters"},
	"events_status_known":       {Field: "status", Message: "must be one of draft, published, postponed, cancelled, sold_out"},
	"events_country_iso3166":    {Field: "country", Message: "must be 2 capital letters (ISO 3166-1 alpha-2)"},
	"events_currency_iso4217":   {Field: "currency", Message: "must be 3 capital letters (ISO 4217)"},
	"events_latitude_range":     {Field: "latitude", Message: "must lie between -90 and 90"},
	"events_longitude_range":    {Field: "longitude", Message: "must lie between -180 and 180"},
	"events_position_complete":  {Field: "latitude", Message: "is required with longitude, and the other way round"},
	"events_times_range":        {Field: "starts_at", Message: "must lie in the years 1 to 9999, and ends_at too"},
	"events_ends_after_start":   {Field: "ends_at", Message: "must be after starts_at"},
	"events_price_range":        {Field: "price_min", Message: "must lie between 0 and 9999999999.99, and price_max too"},
	"events_price_order":        {Field: "price_max", Message: "must be at least price_min"},
	"events_price_complete":     {Field: "price_min", Message: "is required with price_max, and the other way round; both need currency"},
	"events_capacity_range":     {Field: "capacity", Message: "must not be negative"},
	"events_available_range":    {Field: "tickets_available", Message: "must not be negative"},
	"events_available_capacity": {Field: "tickets_available", Message: "must be at most capacity"},
	"events_tags_no_null":       {Field: "tags", Message: "must have at most 50 elements and no null"},
	"events_attributes_object":  {Field: "attributes", Message: "must be a JSON object"},
	"events_version_positive":   {Field: "version", Message: "must be positive"},
}

// SQLSTATE codes, see the appendix of the Postgres manual.
const (
	notNullViolation = "23502"
	uniqueViolation  = "23505"
	checkViolation   = "23514"
	queryCanceled    = "57014" // statement_timeout passed
	readOnly         = "25006" // a standby after a failover
	lockNotAvailable = "55P03"
	notPrerequisite  = "55000" // asking a standby for the position of a write

	// The server has ended the session, and its transaction with it, since this process paused inside it or it went on
	// for longer than an administrator allows (Postgres 17 and later).
	idleInTransaction  = "25P03" // idle_in_transaction_session_timeout
	transactionTimeout = "25P04" // transaction_timeout
)

// classify turns an error of the driver into one of package event where there is one that says it.
func classify(err error, doing string) error {
	if err == nil {
		return nil
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return classifyRefusal(refused, doing)
	}
	if isConnectionFailure(err) {
		return fmt.Errorf("%s: %w: %w", doing, event.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func classifyRefusal(refused *pgconn.PgError, doing string) error {
	switch refused.Code {
	case uniqueViolation:
		return event.ErrExists
	case notNullViolation:
		return invalid(refused.ColumnName, "is required")
	case checkViolation:
		if known, ok := constraints[refused.ConstraintName]; ok {
			return invalid(known.Field, known.Message)
		}
		return invalid("", "breaks the rule "+refused.ConstraintName+" of the database")
	case queryCanceled, readOnly, lockNotAvailable, notPrerequisite, idleInTransaction, transactionTimeout:
		return fmt.Errorf("%s: %w: %w", doing, event.ErrUnavailable, refused)
	}
	switch refused.Code[:2] {
	case "22", "54": // a value that its type cannot hold; a limit of the server
		return invalid(refused.ColumnName, "cannot be stored: "+strings.ToLower(refused.Message))
	case "08", "40", "53", "57": // connection, rollback (deadlock), resources, operator intervention (shutdown)
		return fmt.Errorf("%s: %w: %w", doing, event.ErrUnavailable, refused)
	}
	return fmt.Errorf("%s: %w", doing, refused)
}

func invalid(field, message string) error {
	return &event.InvalidError{Fields: []event.FieldError{{Field: field, Message: message}}}
}

func isConnectionFailure(err error) bool {
	var (
		connect *pgconn.ConnectError
		network net.Error
	)
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, puddle.ErrClosedPool) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
