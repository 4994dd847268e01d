package arena

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever is asked for, and however often all is given back: nobody writes into what is another's.
func TestNothingIsHandedOutTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var a Arena
		for range rapid.IntRange(1, 5).Draw(t, "chunks") {
			var taken [][]byte
			for n, size := range rapid.SliceOfN(rapid.IntRange(0, 300), 0, 20).Draw(t, "sizes") {
				got := a.Bytes(size)
				if got == nil || len(got) != 0 || cap(got) < size {
					t.Fatalf("asked for %d bytes, got %v with room for %d", size, got, cap(got))
				}
				taken = append(taken, append(got, bytes.Repeat([]byte{byte(n)}, cap(got))...))
			}
			for n, content := range taken {
				if len(bytes.Trim(content, string([]byte{byte(n)}))) > 0 {
					t.Fatalf("slice %d of %d has been written into: %v", n, len(taken), content)
				}
			}
			a.Reset()
		}
	})
}

func TestANilArenaAllocates(t *testing.T) {
	t.Parallel()
	var a *Arena
	require.Equal(t, 7, cap(a.Bytes(7)))
}

// The block has the size of the chunk before, so that nothing is allocated for another like it, and a huge one is forgotten.
func TestTheBlockFollowsWhatIsNeeded(t *testing.T) {
	t.Parallel()
	var a Arena
	chunk := func(sizes ...int) int {
		for _, size := range sizes {
			a.Bytes(size)
		}
		defer a.Reset()
		return a.extra // allocated beside the block
	}
	require.Equal(t, 6000, chunk(1000, 2000, 3000))
	require.Zero(t, chunk(1000, 2000, 3000))
	require.Zero(t, chunk(3000, 1000), "a smaller one")
	require.Zero(t, chunk(1000, 2000, 3000), "is no reason to forget what larger ones need")
	require.Equal(t, 100_000, chunk(3000, 100_000))
	require.Greater(t, len(a.block), 100_000)
	require.Zero(t, chunk(1000))
	require.Less(t, len(a.block), 2000)
}
