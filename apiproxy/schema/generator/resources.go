package main

import (
	"reflect"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/deprecation"
)

type subresource struct {
	Name    string   `json:"name"`
	Group   string   `json:"group,omitempty"`
	Version string   `json:"version,omitempty"`
	Kind    string   `json:"kind"`
	Verbs   []string `json:"verbs"`
}

type resourceFacts struct {
	Group        string        `json:"group"`
	Version      string        `json:"version"`
	Plural       string        `json:"plural"`
	Kind         string        `json:"kind"`
	Singular     string        `json:"singular"`
	Namespaced   bool          `json:"namespaced,omitempty"`
	ShortNames   []string      `json:"shortNames,omitempty"`
	Categories   []string      `json:"categories,omitempty"`
	Verbs        []string      `json:"verbs"`
	Subresources []subresource `json:"subresources,omitempty"`
	Selectable   []string      `json:"selectable,omitempty"`
	Storage      string        `json:"storage"`
	Deprecation  string        `json:"deprecation,omitempty"`
	Columns      []column      `json:"columns,omitempty"`
}

// writeResources joins discovery with what upstream's packages know of a resource: one resource per line, in
// discovery order.
func writeResources(path string, s *server) {
	printers := collectColumns()
	var all []resourceFacts
	for _, group := range s.groups {
		for _, version := range group.Versions {
			gv := schema.GroupVersion{Group: group.Name, Version: version.Version}
			for _, found := range version.Resources {
				facts := resourceFacts{
					Group: gv.Group, Version: gv.Version, Plural: found.Resource, Kind: found.ResponseKind.Kind,
					Singular: found.SingularResource, Namespaced: found.Scope == "Namespaced",
					ShortNames: found.ShortNames, Categories: found.Categories, Verbs: found.Verbs,
				}
				for _, sub := range found.Subresources {
					facts.Subresources = append(facts.Subresources, subresource{
						sub.Subresource, sub.ResponseKind.Group, sub.ResponseKind.Version, sub.ResponseKind.Kind, sub.Verbs,
					})
				}
				if contains(found.Verbs, "list") {
					facts.Selectable = selectable(gv.WithKind(facts.Kind))
					facts.Columns = printers.columns(gv.WithKind(facts.Kind))
				}
				facts.Deprecation = deprecationOf(gv.WithKind(facts.Kind))
				facts.Storage = s.storage(gv, found.Resource, facts.Kind).String()
				all = append(all, facts)
			}
		}
	}
	write(path, arrayLines(all))
}

// deprecationOf is the warning a server sends with answers about a deprecated kind; empty for others.
func deprecationOf(gvk schema.GroupVersionKind) string {
	kind, err := scheme.New(gvk)
	check(err)
	if !deprecation.IsDeprecated(kind, 1, 36) {
		return ""
	}
	kind.GetObjectKind().SetGroupVersionKind(gvk)
	return deprecation.WarningMessage(kind)
}

// selectable probes which field selectors upstream's conversion accepts: every path of the type, and labels that are
// no path of any type (`status.successful` of Jobs).
func selectable(gvk schema.GroupVersionKind) []string {
	found := map[string]bool{}
	candidates := []string{"status.successful"}
	goType, known := scheme.AllKnownTypes()[gvk]
	if known {
		candidates = append(candidates, paths(goType, 4)...)
	}
	for _, candidate := range candidates {
		_, _, err := scheme.ConvertFieldLabel(gvk, candidate, "")
		if err == nil && candidate != "metadata.name" && candidate != "metadata.namespace" {
			found[candidate] = true
		}
	}
	var all []string
	for label := range found {
		all = append(all, label)
	}
	sort.Strings(all)
	return all
}

// paths lists the dotted JSON paths of a type, lists and maps not entered.
func paths(t reflect.Type, depth int) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || depth == 0 {
		return nil
	}
	var all []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		inner := paths(t.Field(i).Type, depth-1)
		if name == "-" || name == "" {
			all = append(all, inner...)
			continue
		}
		all = append(all, name)
		for _, path := range inner {
			all = append(all, name+"."+path)
		}
	}
	return all
}
