package search

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text is what somebody typed to find an event.
type Text struct {
	Words   []string
	Phrases []string // words in double quotes, to be found one behind the other
	Open    bool     // the last word may go on: nothing stands behind it yet
}

// IsZero says whether there is nothing to look for.
func (t Text) IsZero() bool { return len(t.Words) == 0 && len(t.Phrases) == 0 }

var quotes = strings.NewReplacer("“", `"`, "”", `"`, "„", `"`, "«", `"`, "»", `"`)

// ParseText takes a text apart. A quote that is not closed yet reaches to the end.
func ParseText(s string) (Text, error) {
	if err := checkText(s, MaxText); err != nil {
		return Text{}, err
	}
	var text Text
	for n, part := range strings.Split(quotes.Replace(s), `"`) {
		words := strings.Fields(part)
		switch {
		case n%2 == 0:
			text.Words = append(text.Words, words...)
			last, _ := utf8.DecodeLastRuneInString(part)
			text.Open = len(words) > 0 && !unicode.IsSpace(last)
		case len(words) > 0:
			text.Phrases = append(text.Phrases, strings.Join(words, " "))
			text.Open = false
		}
	}
	if terms := len(text.Words) + len(text.Phrases); terms > MaxTerms {
		return Text{}, fmt.Errorf("must have at most %d words and phrases, not %d", MaxTerms, terms)
	}
	return text, nil
}

func checkText(s string, most int) error {
	switch {
	case !utf8.ValidString(s):
		return errors.New("must be valid UTF-8")
	case strings.ContainsRune(s, 0):
		return errors.New("must not contain the NUL character (U+0000)")
	case utf8.RuneCountInString(s) > most:
		return fmt.Errorf("must have at most %d characters", most)
	default:
		return nil
	}
}
