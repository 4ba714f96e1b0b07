package main

import (
	"bytes"
	"fmt"
	"net/url"
	"time"
)

// streamable is a client of streamable-http; the answer to a call is the body of its reply, as JSON or as events.
type streamable struct {
	line    *Line
	path    string
	session string
	owner   bool // ends the session
}

func openStreamable(target *url.URL, patience time.Duration) (Client, error) {
	client := &streamable{line: newLine(target, patience), path: target.RequestURI(), owner: true}
	if err := client.open(); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// sibling is another connection in the same session.
func (s *streamable) sibling() *streamable {
	return &streamable{line: newLine(s.line.target, s.line.patience), path: s.path, session: s.session}
}

func (s *streamable) open() error {
	reply, err := s.line.Post(s.path, "", []byte(initialize))
	if err != nil {
		return fmt.Errorf("initialize: %w", err)
	}
	if reply.Status != 200 {
		return fmt.Errorf("initialize: %w %d: %s", errStatus, reply.Status, short(reply.Body))
	}
	s.session = reply.Session
	reply, err = s.line.Post(s.path, s.session, []byte(initialized))
	if err == nil && reply.Status >= 300 {
		err = fmt.Errorf("%w %d: %s", errStatus, reply.Status, short(reply.Body))
	}
	if err != nil {
		return fmt.Errorf("notifications/initialized: %w", err)
	}
	return nil
}

func (s *streamable) Call(id int, message []byte) ([]byte, error) {
	reply, err := s.line.Post(s.path, s.session, message)
	if err != nil {
		return nil, err
	}
	if reply.Status != 200 {
		return nil, fmt.Errorf("%w %d: %s", errStatus, reply.Status, short(reply.Body))
	}
	if !reply.Events {
		return reply.Body, nil
	}
	// Other messages may come before the answer, in events of their own.
	for _, line := range bytes.Split(reply.Body, []byte("\n")) {
		if data, found := dataOf(line); found {
			if answered, ok := idOf(data); ok && answered == id {
				return data, nil
			}
		}
	}
	return nil, fmt.Errorf("no answer to id %d among the events: %s", id, short(reply.Body))
}

// Close ends the session too, as a polite client does.
func (s *streamable) Close() {
	if s.owner && s.session != "" {
		s.line.Delete(s.path, s.session)
	}
	s.line.Close()
}

// dataOf gives the data of an event's line.
func dataOf(line []byte) ([]byte, bool) {
	if !bytes.HasPrefix(line, []byte("data:")) {
		return nil, false
	}
	return bytes.TrimSpace(line[len("data:"):]), true
}
