//go:build !linux

package main

import "context"

func endWithParent(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}
