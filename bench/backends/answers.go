package main

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Version   string `json:"protocolVersion"`
		Arguments struct {
			Size int `json:"size"`
		} `json:"arguments"`
	} `json:"params"`
}

const (
	defaultSize    = 200
	defaultVersion = "2025-11-25"
	tools          = `{"tools":[{"name":"answer","description":"Gives a text of so many bytes","inputSchema":` +
		`{"type":"object","properties":{"size":{"type":"integer"},"text":{"type":"string"}}}}]}`
	invalid = `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}`
)

// answer gives the answer to one JSON-RPC message, without a newline; nil where none is due.
func (s *Server) answer(data []byte) (reply []byte, method string) {
	var asked message
	if err := json.Unmarshal(data, &asked); err != nil {
		return []byte(invalid), ""
	}
	if asked.ID == nil || asked.Method == "" {
		return nil, asked.Method // a notification, or an answer to nothing we asked
	}
	switch asked.Method {
	case "initialize":
		return result(asked.ID, initialized(asked.Params.Version)), asked.Method
	case "tools/list":
		return result(asked.ID, tools), asked.Method
	case "tools/call":
		if s.Delay > 0 {
			time.Sleep(s.Delay)
		}
		return result(asked.ID, text(asked.Params.Arguments.Size)), asked.Method
	case "ping":
		return result(asked.ID, "{}"), asked.Method
	}
	return []byte(`{"jsonrpc":"2.0","id":` + string(asked.ID) +
		`,"error":{"code":-32601,"message":"Method not found"}}`), asked.Method
}

func result(id json.RawMessage, value string) []byte {
	reply := make([]byte, 0, len(value)+len(id)+40)
	reply = append(reply, `{"jsonrpc":"2.0","id":`...)
	reply = append(reply, id...)
	reply = append(reply, `,"result":`...)
	reply = append(reply, value...)
	return append(reply, '}')
}

func initialized(version string) string {
	if version == "" {
		version = defaultVersion
	}
	return `{"protocolVersion":` + strconv.Quote(version) +
		`,"capabilities":{"tools":{}},"serverInfo":{"name":"bench","version":"1"}}`
}

func text(size int) string {
	if size <= 0 {
		size = defaultSize
	}
	return `{"content":[{"type":"text","text":"` + string(bytes.Repeat([]byte{'x'}, size)) + `"}]}`
}
