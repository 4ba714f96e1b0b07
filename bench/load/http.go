package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/url"
	"strconv"
	"time"
)

// Line is one kept-alive HTTP/1.1 connection, without what a general client does for others: it must be faster than
// anything that is measured with it.
type Line struct {
	target   *url.URL
	patience time.Duration
	conn     net.Conn
	reader   *bufio.Reader
	out      []byte
	body     bytes.Buffer
	renew    time.Time // when the deadline is to be moved on
}

// Reply is the answer to a request. The body of a stream is read from Stream, every other one is in Body.
type Reply struct {
	Status  int
	Session string
	Events  bool // the body is an event stream
	Body    []byte
	Stream  io.Reader
	closes  bool
}

var errStatus = errors.New("status")

func newLine(target *url.URL, patience time.Duration) *Line {
	return &Line{target: target, patience: patience}
}

// Close ends the connection.
func (l *Line) Close() {
	if l.conn != nil {
		l.conn.Close()
		l.conn = nil
	}
}

// Post sends a message and reads the whole answer.
func (l *Line) Post(path, session string, message []byte) (Reply, error) {
	l.out = append(l.out[:0], "POST "...)
	l.out = append(l.out, path...)
	l.out = append(l.out, " HTTP/1.1\r\nHost: "...)
	l.out = append(l.out, l.target.Host...)
	l.out = append(l.out, "\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"...)
	if session != "" {
		l.out = append(l.out, "MCP-Protocol-Version: "+protocolVersion+"\r\nMcp-Session-Id: "...)
		l.out = append(l.out, session...)
		l.out = append(l.out, "\r\n"...)
	}
	l.out = append(l.out, "Content-Length: "...)
	l.out = strconv.AppendInt(l.out, int64(len(message)), 10)
	l.out = append(l.out, "\r\n\r\n"...)
	l.out = append(l.out, message...)
	reply, err := l.exchange()
	if err != nil {
		l.Close()
		return reply, err
	}
	l.body.Reset()
	if _, err = l.body.ReadFrom(reply.Stream); err != nil || reply.closes {
		l.Close()
	}
	reply.Body = l.body.Bytes()
	return reply, err
}

// Listen opens an event stream that is read for as long as the connection lives.
func (l *Line) Listen(path string) (Reply, error) {
	l.out = append(l.out[:0], "GET "+path+" HTTP/1.1\r\nHost: "+l.target.Host+"\r\nAccept: text/event-stream\r\n\r\n"...)
	reply, err := l.exchange()
	if err == nil {
		l.conn.SetDeadline(time.Time{})
	}
	return reply, err
}

// Delete ends a session; what is answered does not matter.
func (l *Line) Delete(path, session string) {
	l.out = append(l.out[:0], "DELETE "+path+" HTTP/1.1\r\nHost: "+l.target.Host+"\r\nMCP-Protocol-Version: "+
		protocolVersion+"\r\nMcp-Session-Id: "+session+"\r\n\r\n"...)
	reply, err := l.exchange()
	if err == nil {
		l.body.Reset()
		_, err = l.body.ReadFrom(reply.Stream)
	}
	if err != nil || reply.closes {
		l.Close()
	}
}

func (l *Line) exchange() (Reply, error) {
	if l.conn == nil {
		conn, err := net.DialTimeout("tcp", l.target.Host, l.patience)
		if err != nil {
			return Reply{}, err
		}
		l.conn, l.reader, l.renew = conn, bufio.NewReaderSize(conn, 32<<10), time.Time{}
	}
	// A deadline costs as much as a small read, so that it is moved once a second and not with each call.
	if now := time.Now(); now.After(l.renew) {
		l.conn.SetDeadline(now.Add(l.patience + time.Second))
		l.renew = now.Add(time.Second)
	}
	if _, err := l.conn.Write(l.out); err != nil {
		return Reply{}, err
	}
	return l.head()
}

// head reads the status and the headers, and says how the body is to be read.
func (l *Line) head() (Reply, error) {
	first, err := l.reader.ReadSlice('\n')
	if err != nil {
		return Reply{}, err
	}
	if len(first) < 12 {
		return Reply{}, fmt.Errorf("no HTTP: %q", first)
	}
	var reply Reply
	if reply.Status, err = strconv.Atoi(string(first[9:12])); err != nil {
		return Reply{}, fmt.Errorf("no HTTP: %q", first)
	}
	length, chunked := int64(-1), false
	for {
		header, err := l.reader.ReadSlice('\n')
		if err != nil {
			return Reply{}, err
		}
		header = bytes.TrimRight(header, "\r\n")
		if len(header) == 0 {
			break
		}
		name, value, _ := bytes.Cut(header, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case named(name, "content-length"):
			length, _ = strconv.ParseInt(string(value), 10, 64)
		case named(name, "transfer-encoding"):
			chunked = named(value, "chunked")
		case named(name, "content-type"):
			reply.Events = bytes.HasPrefix(value, []byte("text/event-stream"))
		case named(name, "mcp-session-id"):
			reply.Session = string(value)
		case named(name, "connection"):
			reply.closes = named(value, "close")
		}
	}
	switch {
	case chunked:
		reply.Stream = chunkedBody{httputil.NewChunkedReader(l.reader), l.reader}
	case length >= 0:
		reply.Stream = io.LimitReader(l.reader, length)
	case reply.Status == 202 || reply.Status == 204:
		reply.Stream = io.LimitReader(l.reader, 0)
	default:
		reply.Stream, reply.closes = l.reader, true
	}
	return reply, nil
}

func named(value []byte, name string) bool {
	return len(value) == len(name) && bytes.EqualFold(value, []byte(name))
}

// chunkedBody reads a chunked body and the empty line behind it, which the standard library leaves.
type chunkedBody struct {
	chunks io.Reader
	rest   *bufio.Reader
}

func (c chunkedBody) Read(into []byte) (int, error) {
	count, err := c.chunks.Read(into)
	if err == io.EOF {
		for {
			trailer, problem := c.rest.ReadSlice('\n')
			if problem != nil {
				return count, problem
			}
			if len(bytes.TrimRight(trailer, "\r\n")) == 0 {
				break
			}
		}
	}
	return count, err
}
