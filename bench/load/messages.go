package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

const (
	initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18",` +
		`"capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`
	initialized     = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	protocolVersion = "2025-06-18"
)

// Call makes the messages of one client; all but the id is written once.
type Call struct {
	tail   []byte
	buffer []byte
}

func newCall(answer, argument int) *Call {
	text := ""
	if argument > 0 {
		text = `,"text":"` + strings.Repeat("a", argument) + `"`
	}
	tail := fmt.Sprintf(`,"method":"tools/call","params":{"name":"answer","arguments":{"size":%d%s}}}`, answer, text)
	return &Call{tail: []byte(tail)}
}

// message gives the call with the id; it is valid until the next one.
func (c *Call) message(id int) []byte {
	c.buffer = append(c.buffer[:0], `{"jsonrpc":"2.0","id":`...)
	c.buffer = strconv.AppendInt(c.buffer, int64(id), 10)
	c.buffer = append(c.buffer, c.tail...)
	return c.buffer
}

var (
	idKey      = []byte(`"id"`)
	resultKey  = []byte(`"result"`)
	isErrorKey = []byte(`"isError":true`)
)

// idOf finds the id of a JSON-RPC message, wherever the server put it; ok is false when there is none.
// The text of our answers holds no quotes, so that the first key of that name is the message's.
func idOf(message []byte) (id int, ok bool) {
	at := bytes.Index(message, idKey)
	if at < 0 {
		return 0, false
	}
	rest := bytes.TrimLeft(message[at+len(idKey):], " :")
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	id, err := strconv.Atoi(string(rest[:end]))
	return id, err == nil
}

// check says what is wrong with the answer to a call.
func check(message []byte, id, size int) error {
	found, ok := idOf(message)
	switch {
	case !ok || found != id:
		return fmt.Errorf("asked with id %d, answered %s", id, short(message))
	case !bytes.Contains(message, resultKey) || bytes.Contains(message, isErrorKey):
		return fmt.Errorf("no result: %s", short(message))
	case len(message) < size:
		return fmt.Errorf("%d bytes are too few: %s", len(message), short(message))
	}
	return nil
}

func short(message []byte) string {
	if len(message) > 200 {
		return string(message[:200]) + "…"
	}
	return string(message)
}
