package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/internal/schemathesis"
	"ticketing/internal/testenv"
)

func TestSchemathesis(t *testing.T) {
	t.Parallel()
	p := start(t, testenv.URLAs(t, testenv.Database(t), "eventapi"), "--log-level", "warn")
	schemathesis.Run(t, p.url, filepath.Join("testdata", "schemathesis"))
	require.Empty(t, p.log.String(), "a warning or an error was logged")
}
