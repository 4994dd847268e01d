package elastic

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// Builder makes an index beside the live one and moves the aliases to it.
//
// An index under construction has an alias of its own, PREFIX-build-ATTEMPT. Writing through it creates nothing by
// accident, and finding it finds the build. The name changes with every attempt: swapping takes that alias away in
// the same request, so a swap that a dead process has left on its way fails once another attempt has begun.
type Builder struct {
	client  *Client
	names   Names
	metrics *Metrics
}

// NewBuilder returns a Builder for the index of these names.
func NewBuilder(client *Client, names Names, metrics *Metrics) *Builder {
	return &Builder{client: client, names: names, metrics: metrics}
}

// Build is an index under construction and the alias of the present attempt.
type Build struct {
	Index string `json:"index"`
	Alias string `json:"alias"`
}

// ErrNoBuild says that no index is under construction.
var ErrNoBuild = errors.New("no index is being built")

// ErrLost says that a build belongs to another attempt by now, or was aborted.
var ErrLost = errors.New("the build was aborted or taken over by another process")

// Writer returns a Writer into the build.
func (b *Builder) Writer(build Build) *Writer { return NewWriter(b.client, build.Alias, b.metrics) }

// Live returns the index that the write alias leads to.
func (b *Builder) Live(ctx context.Context) (string, error) {
	indices, err := aliased(ctx, b.client, b.names.WriteAlias)
	if err != nil {
		return "", err
	}
	if len(indices) != 1 {
		return "", fmt.Errorf("write alias %s leads to %d indices: it must be exactly one", b.names.WriteAlias, len(indices))
	}
	return slices.Collect(maps.Keys(indices))[0], nil
}

// Find returns the build under way, or ErrNoBuild.
func (b *Builder) Find(ctx context.Context) (Build, error) {
	indices, err := aliased(ctx, b.client, b.buildAlias("*"))
	if err != nil && !hasStatus(err, http.StatusNotFound) {
		return Build{}, err
	}
	for index, aliases := range indices {
		for alias := range aliases {
			return Build{Index: index, Alias: alias}, nil
		}
	}
	return Build{}, ErrNoBuild
}

// Check returns ErrLost unless the build is still this attempt's.
func (b *Builder) Check(ctx context.Context, build Build) error {
	indices, err := aliased(ctx, b.client, build.Alias)
	if err != nil && !hasStatus(err, http.StatusNotFound) {
		return err
	}
	if _, ours := indices[build.Index]; !ours {
		return fmt.Errorf("index %s: %w", build.Index, ErrLost)
	}
	return nil
}

// NextIndex returns the name for a new index: one number above the highest there is.
func (b *Builder) NextIndex(ctx context.Context) (string, error) {
	indices, err := b.Indices(ctx)
	if err != nil {
		return "", err
	}
	highest := 0
	for _, index := range indices {
		number, err := strconv.Atoi(strings.TrimPrefix(index, b.names.Prefix+"-"))
		if err == nil {
			highest = max(highest, number)
		}
	}
	return fmt.Sprintf("%s-%06d", b.names.Prefix, highest+1), nil
}

// Indices returns the names of all indices PREFIX-NUMBER, whatever state they are in.
func (b *Builder) Indices(ctx context.Context) ([]string, error) {
	response, err := b.client.do(ctx, esapi.IndicesGetAliasRequest{Index: []string{b.names.Prefix + "-*"}})
	if err != nil {
		return nil, fmt.Errorf("list the indices %s-*: %w", b.names.Prefix, err)
	}
	var indices map[string]json.RawMessage
	if err := json.Unmarshal(response, &indices); err != nil {
		return nil, fmt.Errorf("list the indices %s-*: decode elasticsearch's answer: %w", b.names.Prefix, err)
	}
	ours := b.ours()
	return slices.Sorted(func(yield func(string) bool) {
		for name := range indices {
			if ours.MatchString(name) && !yield(name) {
				return
			}
		}
	}), nil
}

// ours matches the names of our indices.
func (b *Builder) ours() *regexp.Regexp {
	return regexp.MustCompile("^" + regexp.QuoteMeta(b.names.Prefix) + "-[0-9]+$")
}

// Create creates an index for a build. While it is filled it has no replicas and no refreshes of its own: Finish gives
// it those of the definition. notes are stored in it: see SetNote.
func (b *Builder) Create(ctx context.Context, index string, definition Definition, notes map[string]any) (Build, error) {
	if !b.ours().MatchString(index) {
		return Build{}, fmt.Errorf("index %q: its name must be %s-NUMBER", index, b.names.Prefix)
	}
	settings := maps.Clone(definition.Settings)
	settings["refresh_interval"], settings["number_of_replicas"] = "-1", 0
	mappings := maps.Clone(definition.Mappings)
	mappings["_meta"] = map[string]any{bookkeeping: notes}
	build := Build{Index: index, Alias: b.buildAlias(attempt())}
	body, err := json.Marshal(map[string]any{
		"settings": settings, "mappings": mappings, "aliases": map[string]any{build.Alias: map[string]any{}},
	})
	if err != nil {
		return Build{}, fmt.Errorf("encode the definition of index %s: %w", index, err)
	}
	if _, err := b.client.do(ctx, esapi.IndicesCreateRequest{Index: index, Body: bytes.NewReader(body)}); err != nil {
		if b.Check(ctx, build) == nil { // only the answer was lost
			return build, nil
		}
		return Build{}, fmt.Errorf("create index %s: %w", index, err)
	}
	return build, nil
}

// Finish gives a filled index the settings of its definition that Create held back, and makes it searchable.
func (b *Builder) Finish(ctx context.Context, index string, definition Definition) error {
	settings := map[string]any{"index.refresh_interval": definition.setting("refresh_interval"), "index.number_of_replicas": definition.setting("number_of_replicas")}
	if settings["index.number_of_replicas"] == nil {
		settings["index.number_of_replicas"] = 1 // Elasticsearch's default; null would leave our 0
	}
	if err := b.putSettings(ctx, index, settings); err != nil {
		return err
	}
	return refreshAlias(ctx, b.client, index)
}

// setting returns an index setting by its short name, however the definition writes it; nil means the default.
func (d Definition) setting(name string) any {
	if value, ok := d.Settings[name]; ok {
		return value
	}
	if value, ok := d.Settings["index."+name]; ok {
		return value
	}
	if index, ok := d.Settings["index"].(map[string]any); ok {
		return index[name]
	}
	return nil
}

// TakeOver makes the build another attempt's, whose alias it returns. What is left of the former attempt fails from
// then on.
func (b *Builder) TakeOver(ctx context.Context, former Build) (Build, error) {
	build := Build{Index: former.Index, Alias: b.buildAlias(attempt())}
	err := b.aliases(ctx, remove(former.Index, former.Alias), add(build.Index, build.Alias, nil))
	if err != nil && b.Check(ctx, build) != nil {
		return Build{}, fmt.Errorf("take over the build of %s: %w", former.Index, err)
	}
	return build, nil
}

// Adopt makes a build of an index that is no longer live, for the way back.
func (b *Builder) Adopt(ctx context.Context, index string) (Build, error) {
	if err := mapBookkeeping(ctx, b.client, index); err != nil {
		return Build{}, err
	}
	build := Build{Index: index, Alias: b.buildAlias(attempt())}
	if err := b.aliases(ctx, add(index, build.Alias, nil)); err != nil && b.Check(ctx, build) != nil {
		return Build{}, fmt.Errorf("make a build of %s: %w", index, err)
	}
	return build, nil
}

// Release ends a build and keeps its index.
func (b *Builder) Release(ctx context.Context, build Build) error {
	if err := b.aliases(ctx, remove(build.Index, build.Alias)); err != nil {
		return fmt.Errorf("release index %s: %w", build.Index, err)
	}
	return nil
}

// Swap moves both aliases from the live index to the build, and ends the build, in one step: a search or a write sees
// the one index or the other. All that was written to the build can be searched by then: searches must not go back to
// what it was at its last refresh.
//
// After an error the swap has not been carried out and will not be, unless it is ErrSwapUnknown. A server may carry out a
// request whose answer is not waited for any more, and do so later: what was written to the live index by then would be
// lost. So the step takes away a further alias, which is there for this only, and whoever gives up takes that away first.
// The alias may stay when a process dies here, and does no harm.
func (b *Builder) Swap(ctx context.Context, live string, build Build) error {
	if err := refreshAlias(ctx, b.client, build.Index); err != nil {
		return fmt.Errorf("swap %s for %s: %w", live, build.Index, err)
	}
	permit := b.names.Prefix + "-swap-" + attempt()
	if err := b.aliases(ctx, add(build.Index, permit, nil)); err != nil {
		return fmt.Errorf("swap %s for %s: %w", live, build.Index, err)
	}
	writeIndex := true
	err := b.aliases(ctx,
		remove(build.Index, permit),
		remove(build.Index, build.Alias),
		remove(live, b.names.ReadAlias),
		remove(live, b.names.WriteAlias),
		add(build.Index, b.names.ReadAlias, map[string]any{"filter": withoutTombstones()}),
		add(build.Index, b.names.WriteAlias, map[string]any{"is_write_index": writeIndex}),
	)
	if err == nil {
		return nil
	}
	swapped, unknown := b.giveUp(context.WithoutCancel(ctx), build.Index, permit)
	if swapped {
		return nil
	}
	return fmt.Errorf("swap %s for %s: %w", live, build.Index, errors.Join(err, unknown))
}

// ErrSwapUnknown says that a swap may still be carried out.
var ErrSwapUnknown = errors.New("whether the aliases were moved is not known")

// giveUp makes sure that a swap without an answer is not carried out any more, or finds that it was.
func (b *Builder) giveUp(ctx context.Context, index, permit string) (swapped bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, giveUpWithin)
	defer cancel()
	pause := newPause()
	for {
		err := b.aliases(ctx, remove(index, permit))
		if err == nil {
			return false, nil
		}
		now, liveErr := b.Live(ctx)
		switch {
		case liveErr == nil && now == index:
			return true, nil
		case liveErr == nil && hasStatus(err, http.StatusNotFound): // the loop has taken it away, without an answer
			return false, nil
		}
		if wait(ctx, pause.NextBackOff()) != nil {
			return false, fmt.Errorf("%w: %w", ErrSwapUnknown, err)
		}
	}
}

// giveUpWithin bounds how long a server that does not answer is asked, while writes are held back.
const giveUpWithin = 10 * time.Second

// Delete deletes an index, which no alias may lead to but that of a build. One that is gone is no error.
func (b *Builder) Delete(ctx context.Context, index string) error {
	live, err := b.Live(ctx)
	if err != nil && !hasStatus(err, http.StatusNotFound) {
		return err
	}
	if live == index {
		return fmt.Errorf("index %s is the live one: not deleted", index)
	}
	if _, err := b.client.do(ctx, esapi.IndicesDeleteRequest{Index: []string{index}}); err != nil && !hasStatus(err, http.StatusNotFound) {
		return fmt.Errorf("delete index %s: %w", index, err)
	}
	return nil
}

func (b *Builder) putSettings(ctx context.Context, index string, settings map[string]any) error {
	body, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("encode settings of index %s: %w", index, err)
	}
	if _, err := b.client.do(ctx, esapi.IndicesPutSettingsRequest{Index: []string{index}, Body: bytes.NewReader(body)}); err != nil {
		return fmt.Errorf("change settings of index %s: %w", index, err)
	}
	return nil
}

func (b *Builder) buildAlias(attempt string) string { return b.names.Prefix + "-build-" + attempt }

func attempt() string { return strings.ToLower(rand.Text()[:10]) }

// aliases carries out all actions or none.
func (b *Builder) aliases(ctx context.Context, actions ...map[string]any) error {
	body, err := json.Marshal(map[string]any{"actions": actions})
	if err != nil {
		return fmt.Errorf("encode alias actions: %w", err)
	}
	_, err = b.client.do(ctx, esapi.IndicesUpdateAliasesRequest{Body: bytes.NewReader(body)})
	return err
}

// remove fails the whole request when the alias is not there; without must_exist it would be passed over.
func remove(index, alias string) map[string]any {
	return map[string]any{"remove": map[string]any{"index": index, "alias": alias, "must_exist": true}}
}

func add(index, alias string, options map[string]any) map[string]any {
	action := map[string]any{"index": index, "alias": alias}
	maps.Copy(action, options)
	return map[string]any{"add": action}
}
