package main

import (
	"fmt"
	"os"
	"strings"
	"text/template"
)

// bar is the median of several rounds, with a line from the least to the most.
type bar struct {
	Name string
	spread
}

// The plot's measures in pixels.
const (
	nameWidth = 260
	barWidth  = 380
	barHeight = 26
)

// plot draws bars that lie beside their names.
var plot = template.Must(template.New("plot").Parse(`<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{{.Height}}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="white"/>
<text x="12" y="22" font-weight="bold">{{.Title}}</text>
{{range .Bars}}<text x="252" y="{{.Text}}" text-anchor="end">{{.Name}}</text>
<rect x="260" y="{{.Top}}" width="{{.Median}}" height="16" fill="#4477aa"/>
<line x1="{{.From}}" x2="{{.To}}" y1="{{.Middle}}" y2="{{.Middle}}" stroke="#222222" stroke-width="2"/>
<text x="{{.Label}}" y="{{.Text}}">{{.Value}}</text>
{{end}}</svg>
`))

type drawnBar struct {
	Name, Value                                string
	Top, Text, Middle, Median, From, To, Label int
}

func writePlot(path, title string, bars []bar) error {
	most := 0.0
	for _, b := range bars {
		most = max(most, b.Max)
	}
	pixels := func(value float64) int {
		if most == 0 {
			return 0
		}
		return int(value / most * barWidth)
	}
	drawn := make([]drawnBar, len(bars))
	for n, b := range bars {
		top := 38 + n*barHeight
		drawn[n] = drawnBar{
			Name: escape(b.Name), Value: number(b.Median), Top: top, Text: top + 13, Middle: top + 8,
			Median: pixels(b.Median), From: nameWidth + pixels(b.Min), To: nameWidth + pixels(b.Max), Label: nameWidth + pixels(b.Max) + 8,
		}
	}
	var picture strings.Builder
	err := plot.Execute(&picture, map[string]any{"Title": escape(title), "Bars": drawn, "Height": 50 + len(bars)*barHeight})
	if err != nil {
		return fmt.Errorf("draw %s: %w", path, err)
	}
	if err := os.WriteFile(path, []byte(picture.String()), 0o644); err != nil { //nolint:gosec // documentation
		return fmt.Errorf("write a plot: %w", err)
	}
	return nil
}

func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
