// Package initsql carries the schema, so that the native launcher and the tests apply the very files that the
// official Postgres image runs from its init folder.
package initsql

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed *.sql
var files embed.FS

// SQL returns all files of this folder in the order of their names, as one script of plain SQL. It may be run
// again on a database that has it already. It reads the roles' passwords from the session's settings; see
// 03-roles.sql.
func SQL() (string, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return "", fmt.Errorf("list the schema's files: %w", err)
	}
	var script strings.Builder
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("read the schema: %w", err)
		}
		script.Write(text)
	}
	return script.String(), nil
}
