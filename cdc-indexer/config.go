package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"

	"ticketing/internal/buildinfo"
)

type logFlags struct {
	Level  slog.Level `help:"debug, info, warn or error." default:"info" env:"CDC_INDEXER_LOG_LEVEL"`
	Format string     `help:"json or text." default:"json" enum:"json,text" env:"CDC_INDEXER_LOG_FORMAT"`
}

func (f logFlags) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: f.Level}
	if f.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// configFlag names a file with values for flags. It takes effect while the command line is parsed.
type configFlag string

// BeforeResolve reads the file before the other flags get their values.
func (f configFlag) BeforeResolve(k *kong.Kong, ctx *kong.Context, trace *kong.Path) error {
	path, _ := ctx.FlagValue(trace.Flag).(configFlag)
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(string(path))
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	file := configFile{path: string(path)}
	if err := yaml.Unmarshal(text, &file.values); err != nil {
		return fmt.Errorf("--config %s: %w", path, err)
	}
	ctx.AddResolver(file)
	return file.Validate(k.Model)
}

// configFile is a kong.Resolver that knows the values of a file.
type configFile struct {
	path   string
	values map[string]any
}

// Validate refuses a name that is no flag: a mistyped setting must not be ignored.
func (f configFile) Validate(app *kong.Application) error {
	known := map[string]bool{}
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known[flag.Name] = true
		}
		return next(nil)
	})
	for name := range f.values {
		if !known[name] {
			return fmt.Errorf("--config %s: there is no setting %q", f.path, name)
		}
	}
	return nil
}

// Resolve returns the file's value for a flag. The environment goes before the file.
func (f configFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	fromEnvironment := slices.ContainsFunc(flag.Tag.Envs, func(name string) bool {
		_, set := os.LookupEnv(name)
		return set
	})
	if fromEnvironment {
		return nil, nil
	}
	return f.values[flag.Name], nil
}

func version() string {
	build := buildinfo.Read()
	return strings.Join(strings.Fields(build.Version+" "+build.Revision+" "+build.Go), " ")
}
