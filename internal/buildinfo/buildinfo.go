// Package buildinfo tells which build of a program runs: what the Go toolchain noted when it built it.
package buildinfo

import (
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Info says which build runs. Revision is empty where the program was built without version control at hand, as in an
// image.
type Info struct {
	Version, Revision, Go string
}

// Read returns this program's.
func Read() Info {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return Info{Version: "unknown"}
	}
	info := Info{Version: build.Main.Version, Go: build.GoVersion}
	for _, setting := range build.Settings {
		if setting.Key == "vcs.revision" {
			info.Revision = setting.Value
		}
	}
	return info
}

// NewCollector makes the metric PROGRAM_build_info, which is always 1 and has this program's Info as its labels.
// The program's name is that of its metrics, such as cdc_indexer.
func NewCollector(program string) prometheus.Collector {
	info := Read()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        program + "_build_info",
		Help:        "Always 1; the labels say which build runs.",
		ConstLabels: prometheus.Labels{"version": info.Version, "revision": info.Revision, "goversion": info.Go},
	}, func() float64 { return 1 })
}

// NewRegistry returns a registry with what every program tells of itself: the Go runtime, the process, and NewCollector's.
func NewRegistry(program string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), NewCollector(program))
	return registry
}
