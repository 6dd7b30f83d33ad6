package main

import (
	"bytes"
	"encoding/json"
	"sort"
)

// compact writes a value as JSON on one line, without escaping HTML.
func compact(value any) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	check(encoder.Encode(value))
	return bytes.TrimRight(buffer.Bytes(), "\n")
}

// objectLines writes a map as a JSON object with one entry per line, sorted by key.
func objectLines[V any](entries map[string]V) []byte {
	names := make([]string, 0, len(entries))
	for name := range entries {
		names = append(names, name)
	}
	sort.Strings(names)
	var buffer bytes.Buffer
	buffer.WriteString("{\n")
	for i, name := range names {
		buffer.Write(compact(name))
		buffer.WriteString(":")
		buffer.Write(compact(entries[name]))
		if i+1 < len(names) {
			buffer.WriteString(",")
		}
		buffer.WriteString("\n")
	}
	buffer.WriteString("}\n")
	return buffer.Bytes()
}

// arrayLines writes a list as a JSON array with one item per line.
func arrayLines[V any](items []V) []byte {
	var buffer bytes.Buffer
	buffer.WriteString("[\n")
	for i, item := range items {
		buffer.Write(compact(item))
		if i+1 < len(items) {
			buffer.WriteString(",")
		}
		buffer.WriteString("\n")
	}
	buffer.WriteString("]\n")
	return buffer.Bytes()
}
