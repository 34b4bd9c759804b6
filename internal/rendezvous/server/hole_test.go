package server

import "testing"

func TestHoleTokensCannotBeForged(t *testing.T) {
	mine, others := newTokens(), newTokens()
	token := mine.issue(7)
	if number, ok := mine.check(token); !ok || number != 7 {
		t.Errorf("own token: %d, %v", number, ok)
	}
	if _, ok := others.check(token); ok {
		t.Error("the token of another server is taken")
	}
	for i := range token {
		forged := append([]byte(nil), token...)
		forged[i] ^= 1
		if _, ok := mine.check(forged); ok {
			t.Errorf("a token with another byte %d is taken", i)
		}
	}
	for _, cut := range [][]byte{nil, token[:8], token[:len(token)-1], append(token[:len(token):len(token)], 0)} {
		if _, ok := mine.check(cut); ok {
			t.Errorf("a token of %d bytes is taken", len(cut))
		}
	}
}
