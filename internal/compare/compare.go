// Package compare says whether an index holds exactly what a table holds: every row, nothing else, and in every row
// the same values to the last digit. It knows nothing of how the rows come into the index, except the shape of the
// documents: one field for each column, as Debezium writes its value with decimal.handling.mode=string and
// time.precision.mode=adaptive.
package compare

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"ticketing/internal/exactjson"
)

// Bookkeeping is the field of a document that belongs to the indexer and to no column. It is not compared.
const Bookkeeping = "cdc"

// maxShown is how many characters of a value a Difference shows.
const maxShown = 120

// Options say what to compare.
type Options struct {
	DatabaseURL      string
	ElasticsearchURL string // http(s)://host:port

	Table string // schema.table
	// Key names the columns of the primary key: integers, uuids or text. In the index they must be mapped as numbers
	// when they are integers and as keywords otherwise, since both sides are read in the order of the key.
	Key   []string
	Index string // the alias that searches go through

	JSONColumns []string   // columns whose JSON stands in the document as what it means, not as text
	GeoPoints   []GeoPoint // fields of the document that are made of two columns

	// Samples bounds how many keys and differences of each sort the report names. Zero means 5.
	Samples int
}

// GeoPoint is a field made of two columns. A document has it unless one of them is null.
type GeoPoint struct {
	Field, Latitude, Longitude string
}

// Report is what a comparison found. The numbers are complete; the samples are the first few, in the key's order.
type Report struct {
	Rows, Documents int // on either side

	Missing   int // rows without a document
	Extra     int // documents without a row, or beside another one of the same row
	Differing int // documents with a field that is not what the row says

	MissingKeys []string
	ExtraKeys   []string
	Differences []Difference
}

// Difference is a field with another value on either side, both as JSON.
type Difference struct {
	Key, Field   string
	Table, Index string // empty for nothing there
}

// Equal says whether table and index hold the same.
func (r Report) Equal() bool { return r.Missing == 0 && r.Extra == 0 && r.Differing == 0 }

// String returns the report as text of a few lines.
func (r Report) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d rows, %d documents: %d missing, %d extra, %d differing", r.Rows, r.Documents, r.Missing, r.Extra, r.Differing)
	for _, key := range r.MissingKeys {
		fmt.Fprintf(&text, "\n  %s: the row has no document", key)
	}
	for _, key := range r.ExtraKeys {
		fmt.Fprintf(&text, "\n  %s: the document has no row", key)
	}
	for _, d := range r.Differences {
		fmt.Fprintf(&text, "\n  %s: %s is %s in the table and %s in the index", d.Key, d.Field, orNothing(d.Table), orNothing(d.Index))
	}
	return text.String()
}

func orNothing(value string) string {
	if value == "" {
		return "nothing"
	}
	return value
}

// Table compares all rows of a table with all documents that the alias shows. It refreshes the index first, and
// reads both sides as they are at one moment each, so writes that go on show up as differences.
//
// Both sides are streamed in the order of the key: memory does not grow with the table.
func Table(ctx context.Context, options Options) (_ Report, err error) {
	if err := options.validate(); err != nil {
		return Report{}, err
	}
	client, err := newSearchClient(options.ElasticsearchURL)
	if err != nil {
		return Report{}, err
	}
	defer client.close()
	table, err := openTable(ctx, options)
	if err != nil {
		return Report{}, fmt.Errorf("compare table %s: %w", options.Table, err)
	}
	defer table.close(ctx)
	index, err := openIndex(ctx, client, options.Index, table.key)
	if err != nil {
		return Report{}, fmt.Errorf("compare index %s: %w", options.Index, err)
	}
	defer func() { err = errors.Join(err, index.close(ctx)) }()

	m := &merge{options: options, table: table, index: index}
	return m.run(ctx)
}

func (o *Options) validate() error {
	var problems []error
	required := func(given bool, option string) {
		if !given {
			problems = append(problems, fmt.Errorf("compare: option %s is missing", option))
		}
	}
	required(o.DatabaseURL != "", "DatabaseURL")
	required(o.ElasticsearchURL != "", "ElasticsearchURL")
	required(o.Table != "", "Table")
	required(len(o.Key) > 0, "Key")
	required(o.Index != "", "Index")
	if o.Samples <= 0 {
		o.Samples = 5
	}
	return errors.Join(problems...)
}

// merge walks along table and index side by side.
type merge struct {
	options Options
	table   *table
	index   *index
	report  Report
}

func (m *merge) run(ctx context.Context) (Report, error) {
	aRow, err := m.nextRow()
	if err != nil {
		return m.report, err
	}
	aDocument, err := m.nextDocument(ctx)
	if err != nil {
		return m.report, err
	}
	for aRow != nil || aDocument != nil {
		side := m.side(aRow, aDocument)
		switch {
		case side < 0:
			m.report.Missing++
			m.sample(&m.report.MissingKeys, aRow.key.String())
		case side > 0:
			m.report.Extra++
			m.sample(&m.report.ExtraKeys, aDocument.name())
		default:
			m.compare(aRow, aDocument)
		}
		if side <= 0 {
			if aRow, err = m.nextRow(); err != nil {
				return m.report, err
			}
		}
		if side >= 0 {
			if aDocument, err = m.nextDocument(ctx); err != nil {
				return m.report, err
			}
		}
	}
	return m.report, nil
}

// side says who comes first: below zero the row, above zero the document; at zero both have the same key.
func (m *merge) side(r *row, d *document) int {
	switch {
	case r == nil:
		return 1
	case d == nil:
		return -1
	case d.key == nil: // without a key it belongs to no row
		return 1
	default:
		return r.key.compare(d.key)
	}
}

func (m *merge) nextRow() (*row, error) {
	r, err := m.table.next()
	if err != nil {
		return nil, fmt.Errorf("compare table %s: %w", m.options.Table, err)
	}
	if r != nil {
		m.report.Rows++
	}
	return r, nil
}

func (m *merge) nextDocument(ctx context.Context) (*document, error) {
	d, err := m.index.next(ctx)
	if err != nil {
		return nil, fmt.Errorf("compare index %s: %w", m.options.Index, err)
	}
	if d != nil {
		m.report.Documents++
	}
	return d, nil
}

func (m *merge) sample(to *[]string, key string) {
	if len(*to) < m.options.Samples {
		*to = append(*to, key)
	}
}

// compare compares the fields of a document with the row of the same key.
func (m *merge) compare(r *row, d *document) {
	found := len(m.report.Differences)
	equal := true
	differs := func(field string, inTable, inIndex gjson.Result) {
		equal = false
		if found < m.options.Samples {
			m.report.Differences = append(m.report.Differences, Difference{
				Key: r.key.String(), Field: field, Table: shown(inTable), Index: shown(inIndex),
			})
		}
	}
	if !d.hasID(r.key) {
		differs("_id", gjson.Parse(r.key.json()), gjson.Parse(quote(d.id)))
	}
	fields := exactjson.Members(d.source)
	values := exactjson.Members(r.values)
	for _, c := range m.table.columns {
		if !c.equal(values[c.name], fields[c.name]) {
			differs(c.name, values[c.name], fields[c.name])
		}
		delete(fields, c.name)
	}
	for _, point := range m.options.GeoPoints {
		if want := point.of(values); !equalPoints(want, fields[point.Field]) {
			differs(point.Field, want, fields[point.Field])
		}
		delete(fields, point.Field)
	}
	delete(fields, Bookkeeping)
	for name, value := range fields {
		if !isNull(value) {
			differs(name, gjson.Result{}, value)
		}
	}
	if !equal {
		m.report.Differing++
	}
}

// of returns the point that a row's columns make, or nothing.
func (p GeoPoint) of(values map[string]gjson.Result) gjson.Result {
	latitude, longitude := values[p.Latitude], values[p.Longitude]
	if latitude.Type != gjson.Number || longitude.Type != gjson.Number {
		return gjson.Result{}
	}
	return gjson.Parse(`{"lat":` + latitude.Raw + `,"lon":` + longitude.Raw + `}`)
}

func shown(value gjson.Result) string {
	text := []rune(value.Raw)
	if len(text) > maxShown {
		return string(text[:maxShown]) + "..."
	}
	return string(text)
}
