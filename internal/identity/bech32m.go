package identity

import (
	"errors"
	"slices"
	"strings"
)

// Bech32m as BIP 350 has it, without the limit of 90 characters: decision 0032 says
// why not a library. The code detects any 4 wrong characters in texts of up to 89
// symbols and any 3 in texts of up to 1023, counting those the prefix expands to.
const (
	charset     = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	checksumLen = 6
	maxSymbols  = 1023
	bech32mSum  = 0x2bc830a3 // what the checksum of a valid text comes to
)

var (
	errChecksum  = errors.New("checksum does not match")
	errCharacter = errors.New("character does not occur")
	errLength    = errors.New("length is impossible")
	errPadding   = errors.New("padding is not zero")
)

// step feeds one 5-bit symbol into the checksum: a multiplication by x in GF(32)[x], modulo the generator.
func step(sum uint32, symbol byte) uint32 {
	return (sum&0x1ffffff)<<5 ^ uint32(symbol) ^ feedback(sum>>25)
}

// feedback returns top times the generator of the code.
func feedback(top uint32) uint32 {
	var f uint32
	for i, g := range [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
		if top>>i&1 == 1 {
			f ^= g
		}
	}
	return f
}

// unstep undoes step: it returns the sum before symbol made it what it is.
func unstep(sum uint32, symbol byte) uint32 {
	sum ^= uint32(symbol)
	for top := range uint32(32) {
		if f := feedback(top); (sum^f)&31 == 0 { // holds for exactly one top
			return top<<25 | (sum^f)>>5
		}
	}
	panic("unreachable: the generator's last coefficient is invertible")
}

// prefixSum returns the checksum after the prefix and its separator.
func prefixSum(prefix string) uint32 {
	sum := uint32(1)
	for i := range len(prefix) {
		sum = step(sum, prefix[i]>>5)
	}
	sum = step(sum, 0)
	for i := range len(prefix) {
		sum = step(sum, prefix[i]&31)
	}
	return sum
}

// encode returns the bech32m text of data. The prefix must be lower case.
func encode(prefix string, data []byte) string {
	symbols := toSymbols(data)
	sum := prefixSum(prefix)
	for _, s := range symbols {
		sum = step(sum, s)
	}
	for range checksumLen {
		sum = step(sum, 0)
	}
	sum ^= bech32mSum
	for i := range checksumLen {
		symbols = append(symbols, byte(sum>>(5*(checksumLen-1-i))&31))
	}
	var text strings.Builder
	text.WriteString(prefix)
	text.WriteByte('1')
	for _, s := range symbols {
		text.WriteByte(charset[s])
	}
	return text.String()
}

// decode returns the data of body, the lower-case part of a text behind prefix and separator.
// With errCharacter or errChecksum comes where the typing error is, if that can be told.
func decode(prefix, body string) ([]byte, typo, error) {
	symbols := make([]byte, 0, len(body))
	for i := range len(body) {
		s := strings.IndexByte(charset, body[i])
		if s < 0 {
			return nil, typo{what: wrongCharacter, at: i}, errCharacter
		}
		symbols = append(symbols, byte(s))
	}
	if len(symbols) < checksumLen || 2*len(prefix)+1+len(symbols) > maxSymbols {
		return nil, typo{}, errLength
	}
	sum := prefixSum(prefix)
	for _, s := range symbols {
		sum = step(sum, s)
	}
	if sum != bech32mSum {
		return nil, locate(prefix, symbols), errChecksum
	}
	data, err := fromSymbols(symbols[:len(symbols)-checksumLen])
	return data, typo{}, err
}

// toSymbols splits data into groups of 5 bits, the last one padded with zeros.
func toSymbols(data []byte) []byte {
	var symbols []byte
	var acc uint32
	bits := 0
	for _, b := range data {
		acc = acc<<8 | uint32(b)
		for bits += 8; bits >= 5; bits -= 5 {
			symbols = append(symbols, byte(acc>>(bits-5)&31))
		}
	}
	if bits > 0 {
		symbols = append(symbols, byte(acc<<(5-bits)&31))
	}
	return symbols
}

// fromSymbols undoes toSymbols. One data has one text: padding must be zero and shorter than a symbol.
func fromSymbols(symbols []byte) ([]byte, error) {
	var data []byte
	var acc uint32
	bits := 0
	for _, s := range symbols {
		acc = acc<<5 | uint32(s)
		if bits += 5; bits >= 8 {
			bits -= 8
			data = append(data, byte(acc>>bits))
		}
	}
	if bits >= 5 || acc&(1<<bits-1) != 0 {
		return nil, errPadding
	}
	return data, nil
}

// A mistake is the kind of a typing error.
type mistake int

const (
	unknownMistake mistake = iota
	wrongCharacter
	swappedCharacters // this one and the next
	missingCharacter  // before this one
	extraCharacter
)

// A typo is one typing error.
type typo struct {
	what mistake
	at   int  // index into the symbols
	fits byte // the character that belongs there; zero if not known
}

// locate finds the one wrong, swapped, missing or extra character that explains a bad checksum.
//
// It runs the checksum forward from the start and backward from what it must come to. Where the
// two can be joined by one symbol more, less or changed, that is the error. A text of 150 symbols
// has some 5,000 such neighbours among 2^30 checksums, so a wrong location is a matter of 1 in 10^5.
func locate(prefix string, symbols []byte) typo {
	n := len(symbols)
	have := make([]uint32, n+1) // have[i]: the sum after symbols[:i]
	need := make([]uint32, n+1) // need[i]: the sum from which symbols[i:] lead to the right end
	have[0], need[n] = prefixSum(prefix), bech32mSum
	for i, s := range symbols {
		have[i+1] = step(have[i], s)
	}
	for i, s := range slices.Backward(symbols) {
		need[i] = unstep(need[i+1], s)
	}
	for i := range n {
		if fits := step(have[i], 0) ^ need[i+1]; fits < 32 {
			return typo{wrongCharacter, i, charset[fits]}
		}
	}
	for i := range n - 1 {
		if step(step(have[i], symbols[i+1]), symbols[i]) == need[i+2] {
			return typo{what: swappedCharacters, at: i}
		}
	}
	for i := range n {
		if have[i] == need[i+1] {
			return typo{what: extraCharacter, at: i}
		}
	}
	for i := range n + 1 {
		if fits := step(have[i], 0) ^ need[i]; fits < 32 {
			return typo{missingCharacter, i, charset[fits]}
		}
	}
	return typo{}
}
