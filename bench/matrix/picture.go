package main

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// Sizes in the picture, in pixels.
const (
	cellWidth, cellHeight = 50, 30
	labelWidth, topHeight = 136, 128
	margin                = 16
	overhang              = 48 // of the last label
)

// shades are the colours of cells. The card behind them is light on light and on dark pages, so text is dark on all of them.
var shades = map[string]string{
	"direct": "#bfe8c6", "rounds": "#e6efb3", "guessed": "#bcdff0", "relayed": "#e1e4ea", "fail": "#f6b8ae", "none": "#ffffff",
}

// draw writes the matrix as an SVG.
func (r *report) draw(w io.Writer) error {
	b := bufio.NewWriter(w)
	cells := map[string]cell{}
	for _, c := range r.Cells {
		cells[c.Near+":"+c.Far] = c
	}
	var sides, joint []box
	for _, x := range boxes() {
		if x.shared == apart {
			sides = append(sides, x)
		} else {
			joint = append(joint, x)
		}
	}
	width := 2*margin + labelWidth + cellWidth*len(sides) + overhang
	bottom := topHeight + cellHeight*len(sides)
	height := bottom + 166
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="Segoe UI, Helvetica, Arial, sans-serif" font-size="12" fill="#1f2328">`+"\n", width, height, width, height)
	fmt.Fprintf(b, `<title>Every pair of NATs: milliseconds to a direct connection</title>`+"\n")
	fmt.Fprintf(b, `<rect x="0.5" y="0.5" width="%d" height="%d" rx="8" fill="#fbfcfd" stroke="#d0d7de"/>`+"\n", width-1, height-1)
	left := margin + labelWidth
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="#57606a">dialer ↓   callee →</text>`+"\n", margin, topHeight-8)
	for i, x := range sides {
		cx := left + i*cellWidth + cellWidth/2
		fmt.Fprintf(b, `<text transform="translate(%d %d) rotate(-50)">%s</text>`+"\n", cx-2, topHeight-8, escape(x.short))
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", left-8, topHeight+i*cellHeight+19, escape(x.short))
	}
	for row, near := range sides {
		for column, far := range sides {
			drawCell(b, cells, pair{near, far}, left+column*cellWidth, topHeight+row*cellHeight)
		}
	}
	x := margin
	for _, p := range joint {
		drawCell(b, cells, pair{p, p}, x, bottom+22)
		fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", x+cellWidth+8, bottom+41, escape(p.short))
		x += cellWidth + 32 + 7*len(p.short)
	}
	x = margin
	for _, l := range []struct{ shade, words string }{
		{"direct", "direct in one round, ms"}, {"rounds", "direct in more rounds"}, {"guessed", "direct by telling a port"},
		{"relayed", "relayed, as theory demands"}, {"fail", "not as promised"},
	} {
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="22" height="16" rx="3" fill="%s" stroke="#afb8c1"/>`+"\n", x, bottom+78, shades[l.shade])
		fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", x+30, bottom+91, l.words)
		x += 48 + 7*len(l.words)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="#57606a" font-size="11">%s</text>`+"\n", margin, bottom+122, escape(r.caption()))
	for i, line := range []string{
		"Median ms from the dial to the first protected byte that can be sent; below it the share of direct runs, where it is not all of them.",
		"One-way delays: dialer to server 20 ms, callee to server 30, dialer to callee 25, so that 140 is the least a direct connection can take.",
	} {
		fmt.Fprintf(b, `<text x="%d" y="%d" fill="#57606a" font-size="11">%s</text>`+"\n", margin, bottom+138+16*i, escape(line))
	}
	fmt.Fprintln(b, "</svg>")
	return b.Flush()
}

func (r *report) caption() string {
	var runs int
	var strangers int64
	for _, c := range r.Cells {
		runs += c.Runs
		strangers += c.Strangers
	}
	return fmt.Sprintf("go run ./bench/matrix, %s: %d pairs, %d runs, %d SYNs to strangers.", r.Date, len(r.Cells), runs, strangers)
}

// drawCell draws one pair at a place.
func drawCell(b *bufio.Writer, cells map[string]cell, p pair, x, y int) {
	c, ok := cells[p.String()]
	shade, first, second := "none", "", ""
	if ok {
		shade = c.shade()
		first = number(c.DirectMS, 0)
		if c.Direct == 0 {
			first = number(c.RelayedMS, 0)
		}
		if share := c.Direct; share > 0 && share < c.Runs {
			second = fmt.Sprintf("%.0f %%", 100*float64(share)/float64(c.Runs))
		}
	}
	fmt.Fprintf(b, `<g><title>%s</title><rect x="%d" y="%d" width="%d" height="%d" rx="3" fill="%s" stroke="#afb8c1" stroke-width="0.6"/>`,
		escape(p.String()+" "+c.line()), x+1, y+1, cellWidth-2, cellHeight-2, shades[shade])
	baseline := y + cellHeight/2 + 4
	if second != "" {
		baseline -= 5
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle" font-size="9">%s</text>`, x+cellWidth/2, y+cellHeight-5, second)
	}
	style := ""
	if c.Direct == 0 {
		style = ` fill="#6e7781"`
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle"%s>%s</text></g>`+"\n", x+cellWidth/2, baseline, style, first)
}

// shade is the color of a cell.
func (c cell) shade() string {
	switch {
	case len(c.Problems) > 0:
		return "fail"
	case c.Direct == 0:
		return "relayed"
	case c.Theory.Prospect != certain:
		return "guessed"
	case c.Rounds > 1:
		return "rounds"
	}
	return "direct"
}

func escape(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text))
	return b.String()
}
