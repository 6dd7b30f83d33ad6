package main

import (
	"encoding/json"
	"fmt"
	"log"
	"reflect"
	"sort"
	"strconv"
	"strings"

	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kubernetes/pkg/generated/openapi"
)

// place is what the table says of a field, of the items of a list or of the values of a map.
type place struct {
	Type     string   `json:"type,omitempty"`
	Proto    int      `json:"proto,omitempty"`
	Pointer  bool     `json:"pointer,omitempty"`
	Always   bool     `json:"always,omitempty"`
	OmitZero bool     `json:"omitzero,omitempty"`
	Inlined  [][2]any `json:"inlined,omitempty"`
	Go       string   `json:"go,omitempty"`
	Default  any      `json:"default,omitempty"`
	List     string   `json:"list,omitempty"`
	Keys     []string `json:"keys,omitempty"`
	Map      string   `json:"map,omitempty"`
	Patch    string   `json:"patch,omitempty"`
	MergeKey string   `json:"mergeKey,omitempty"`
	Enum     []any    `json:"enum,omitempty"`
	Format   string   `json:"format,omitempty"`
	Items    *place   `json:"items,omitempty"`
}

// object is what the table says of a struct.
type object struct {
	Required []string         `json:"required,omitempty"`
	Atomic   bool             `json:"atomic,omitempty"`
	Unions   []union          `json:"unions,omitempty"`
	Fields   map[string]place `json:"fields"`
}

type union struct {
	Discriminator string   `json:"discriminator,omitempty"`
	Fields        []string `json:"fields"`
}

// leaves are the Go types that the table treats as one value, with their word in it.
var leaves = map[reflect.Type]string{
	reflect.TypeOf(metav1.Time{}):                         "time",
	reflect.TypeOf(metav1.MicroTime{}):                    "micro-time",
	reflect.TypeOf(metav1.Duration{}):                     "duration",
	reflect.TypeOf(resource.Quantity{}):                   "quantity",
	reflect.TypeOf(intstr.IntOrString{}):                  "int-or-string",
	reflect.TypeOf([]byte{}):                              "bytes",
	reflect.TypeOf(runtime.RawExtension{}):                "any",
	reflect.TypeOf(metav1.FieldsV1{}):                     "any",
	reflect.TypeOf(apiext.JSON{}):                         "any",
	reflect.TypeOf(apiext.JSONSchemaPropsOrArray{}):       "any",
	reflect.TypeOf(apiext.JSONSchemaPropsOrBool{}):        "any",
	reflect.TypeOf(apiext.JSONSchemaPropsOrStringArray{}): "any",
}

var definitions = openapi.GetOpenAPIDefinitions(func(path string) spec.Ref { return spec.MustCreateRef(path) })

func definitionName(t reflect.Type) string {
	named, ok := reflect.New(t).Interface().(interface{ OpenAPIModelName() string })
	if !ok {
		log.Fatalf("%v has no definition name", t)
	}
	name := named.OpenAPIModelName()
	if !strings.HasSuffix(name, "."+t.Name()) {
		log.Fatalf("%v has the definition name %s of another type", t, name)
	}
	return name
}

type collector struct {
	objects map[string]object
}

func collectTypes(kinds map[schema.GroupVersionKind]reflect.Type) map[string]object {
	all := &collector{objects: map[string]object{}}
	for _, goType := range kinds {
		all.object(goType)
	}
	return all.objects
}

func writeTypes(path string, types map[string]object) {
	write(path, objectLines(types))
}

func (c *collector) object(t reflect.Type) string {
	name := definitionName(t)
	if _, done := c.objects[name]; done {
		return name
	}
	c.objects[name] = object{}
	definition, known := definitions[name]
	if !known {
		// A few kinds never appear in OpenAPI (option kinds of connect requests): Go tags are all there is.
		definition = common.OpenAPIDefinition{}
		log.Printf("%s has no definition", name)
	}
	out := object{Fields: map[string]place{}, Required: definition.Schema.Required}
	for key, value := range definition.Schema.Extensions {
		switch key {
		case "x-kubernetes-map-type":
			out.Atomic = value == "atomic"
		case "x-kubernetes-unions":
			out.Unions = unions(value)
		default:
			log.Fatalf("%s: unknown extension %s", name, key)
		}
	}
	c.fields(t, definition.Schema.Properties, known, nil, out.Fields)
	for property := range definition.Schema.Properties {
		if _, found := out.Fields[property]; !found {
			log.Fatalf("%s: no Go field for %s", name, property)
		}
	}
	c.objects[name] = out
	return name
}

func unions(extension any) []union {
	var raw []struct {
		Discriminator string            `json:"discriminator"`
		Fields        map[string]string `json:"fields-to-discriminateBy"`
	}
	check(json.Unmarshal(compact(extension), &raw))
	var all []union
	for _, one := range raw {
		fields := []string{}
		for field := range one.Fields {
			fields = append(fields, field)
		}
		sort.Strings(fields)
		all = append(all, union{Discriminator: one.Discriminator, Fields: fields})
	}
	return all
}

// fields collects the JSON properties of a struct, those of inlined structs included.
func (c *collector) fields(t reflect.Type, properties map[string]spec.Schema, known bool, inlined [][2]any, into map[string]place) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" || !field.IsExported() {
			continue
		}
		proto := protoNumber(field)
		if field.Anonymous && name == "" {
			path := inlined
			if proto != 0 {
				path = append(append([][2]any{}, inlined...), [2]any{proto, definitionName(field.Type)})
			}
			c.fields(field.Type, properties, known, path, into)
			continue
		}
		property, found := properties[name]
		if !found && known {
			log.Fatalf("%v: no definition of %s", t, name)
		}
		goType, pointer := field.Type, false
		if goType.Kind() == reflect.Pointer {
			goType, pointer = goType.Elem(), true
		}
		omit := strings.Split(options, ",")
		out := c.place(goType, property, fmt.Sprintf("%v.%s", t, name))
		out.Proto, out.Inlined, out.Pointer = proto, inlined, pointer
		out.Always, out.OmitZero = !contains(omit, "omitempty"), contains(omit, "omitzero")
		if out.Default != nil && !pointer && implied(goType, contains(omit, "omitempty"), out.Default) {
			out.Default = nil
		}
		into[name] = out
	}
}

func contains(list []string, item string) bool {
	for _, one := range list {
		if one == item {
			return true
		}
	}
	return false
}

func protoNumber(field reflect.StructField) int {
	parts := strings.Split(field.Tag.Get("protobuf"), ",")
	if len(parts) < 2 {
		return 0
	}
	number, err := strconv.Atoi(parts[1])
	check(err)
	return number
}

// implied tells whether upstream's OpenAPI generator derives a default from the Go type alone.
func implied(t reflect.Type, omitempty bool, value any) bool {
	text := string(compact(value))
	switch {
	case leaves[t] != "":
		return false
	case t.Kind() == reflect.Struct:
		return text == "{}"
	case omitempty:
		return false
	default:
		return text == `""` || text == "0" || text == "false"
	}
}

// place describes one place from its Go type (no pointer) and its OpenAPI schema.
func (c *collector) place(t reflect.Type, s spec.Schema, where string) place {
	out := place{Default: s.Default, Enum: s.Enum}
	natural := ""
	if word, leaf := leaves[t]; leaf {
		out.Type, natural = word, leafGoType(word)
	} else {
		switch t.Kind() {
		case reflect.String:
			out.Type, natural = "string", "string"
			out.Format = s.Format
		case reflect.Bool:
			out.Type, natural = "bool", "bool"
		case reflect.Int32, reflect.Int, reflect.Uint16, reflect.Int16, reflect.Uint8, reflect.Uint32:
			out.Type, natural = "int32", "int32"
			if t.Kind() != reflect.Int32 && s.Format == "int64" {
				out.Type, natural = "int64", "int64"
			}
		case reflect.Int64:
			out.Type, natural = "int64", "int64"
		case reflect.Float64:
			out.Type, natural = "double", "float64"
		case reflect.Struct:
			out.Type = c.object(t)
			parts := strings.Split(out.Type, ".")
			natural = strings.Join(parts[len(parts)-2:], ".")
		case reflect.Interface:
			out.Type, natural = "any", "interface {}"
		case reflect.Slice, reflect.Map:
			return c.collection(t, s, where, out)
		default:
			log.Fatalf("%s: a %v", where, t)
		}
	}
	if t.String() != natural {
		out.Go = t.String()
	}
	c.extensions(&out, s, where)
	if _, leaf := leaves[t]; out.Map != "" && !leaf {
		out.Type, out.Map = c.variant(out.Type, out.Map), ""
	}
	return out
}

// variant is the name of a type whose map type a field overrides: the table tells atomic objects by their types.
func (c *collector) variant(name, mapType string) string {
	atomic := mapType == "atomic"
	if c.objects[name].Atomic == atomic {
		return name
	}
	copied := c.objects[name]
	if copied.Fields == nil {
		log.Fatalf("%s: a recursive type with two map types", name)
	}
	copied.Atomic = atomic
	c.objects[name+"@"+mapType] = copied
	return name + "@" + mapType
}

func leafGoType(word string) string {
	return map[string]string{"time": "v1.Time", "micro-time": "v1.MicroTime", "duration": "v1.Duration",
		"quantity": "resource.Quantity", "int-or-string": "intstr.IntOrString", "bytes": "[]uint8",
		"any": "runtime.RawExtension"}[word]
}

func (c *collector) collection(t reflect.Type, s spec.Schema, where string, out place) place {
	inner := spec.Schema{}
	prefix := "[]"
	if t.Kind() == reflect.Map {
		prefix = "{}"
		if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
			inner = *s.AdditionalProperties.Schema
		}
	} else if s.Items != nil && s.Items.Schema != nil {
		inner = *s.Items.Schema
	}
	elem, pointer := t.Elem(), false
	if elem.Kind() == reflect.Pointer {
		elem, pointer = elem.Elem(), true
	}
	items := c.place(elem, inner, where+prefix)
	items.Pointer = pointer
	if items.Default != nil && implied(elem, false, items.Default) {
		items.Default = nil
	}
	out.Type = prefix + items.Type
	if t.Name() != "" || t.Kind() == reflect.Map && t.Key().String() != "string" {
		out.Go = t.String()
	}
	items.Type = ""
	if string(compact(items)) != "{}" {
		out.Items = &items
	}
	c.extensions(&out, s, where)
	return out
}

func (c *collector) extensions(out *place, s spec.Schema, where string) {
	for key, value := range s.Extensions {
		switch key {
		case "x-kubernetes-list-type":
			out.List = value.(string)
		case "x-kubernetes-list-map-keys":
			check(json.Unmarshal(compact(value), &out.Keys))
		case "x-kubernetes-map-type":
			out.Map = value.(string)
		case "x-kubernetes-patch-strategy":
			out.Patch = value.(string)
		case "x-kubernetes-patch-merge-key":
			out.MergeKey = value.(string)
		default:
			log.Fatalf("%s: unknown extension %s", where, key)
		}
	}
	if s.Maximum != nil || s.Minimum != nil || s.Pattern != "" || s.MaxLength != nil || s.MinLength != nil ||
		s.MaxItems != nil || s.MinItems != nil {
		log.Printf("%s: has limits", where)
	}
}
