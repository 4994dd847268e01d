// Package monitoring holds no code: its tests check the rules, dashboards and settings beside it.
package monitoring
