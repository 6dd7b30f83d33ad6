package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// encoded is an object in both of its wire forms.
type encoded struct {
	JSON  json.RawMessage `json:"json"`
	Proto string          `json:"proto"`
}

// writeWire fills objects of every kind and writes what upstream's serializers make of them. A struct is filled where
// it is met first, over all kinds, and left empty elsewhere: encodings compose, so once is enough.
func writeWire(golden string, kinds map[schema.GroupVersionKind]reflect.Type) {
	for name, fill := range map[string]func(*filler, reflect.Value){"filled": (*filler).full, "zeros": (*filler).zeros} {
		all := &filler{seen: map[reflect.Type]bool{}}
		var lines []string
		names := map[string]schema.GroupVersionKind{}
		for kind := range kinds {
			names[kind.GroupVersion().String()+"/"+kind.Kind] = kind
		}
		for _, key := range sortedKeys(names) {
			object, speaks := reflect.New(kinds[names[key]]).Interface().(runtime.Object)
			if _, marshals := object.(interface{ MarshalTo([]byte) (int, error) }); !speaks || !marshals {
				continue
			}
			if object.GetObjectKind() == schema.EmptyObjectKind {
				continue // What is in a frame of a watch is no object of its own.
			}
			fill(all, reflect.ValueOf(object).Elem())
			lines = append(lines, string(compact(encodeBoth(names[key], object))))
		}
		write(filepath.Join(golden, name+".json"), []byte("[\n"+strings.Join(lines, ",\n")+"\n]\n"))
	}
}

// encodeBoth takes an object through JSON, as a server that was sent it would, and encodes what comes out.
func encodeBoth(kind schema.GroupVersionKind, object runtime.Object) encoded {
	object.GetObjectKind().SetGroupVersionKind(kind)
	if kind.GroupVersion() == machinery {
		object.GetObjectKind().SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind(kind.Kind))
	}
	text, err := json.Marshal(object)
	check(err)
	again := reflect.New(reflect.TypeOf(object).Elem()).Interface().(runtime.Object)
	check(json.Unmarshal(text, again))
	text, err = json.Marshal(again)
	check(err)
	var wire strings.Builder
	check(protobuf.NewSerializer(scheme, scheme).Encode(again, &wire))
	return encoded{text, base64.StdEncoding.EncodeToString([]byte(wire.String()))}
}

// filler gives values that tell fields apart.
type filler struct {
	seen  map[reflect.Type]bool
	count int
}

func (f *filler) next() int {
	f.count++
	return f.count
}

// leaf sets types with a wire form of their own; false for all others.
func (f *filler) leaf(v reflect.Value) bool {
	n := f.next()
	switch one := v.Addr().Interface().(type) {
	case *metav1.Time:
		one.Time = time.Unix(1700000000+int64(n), 0).UTC()
	case *metav1.MicroTime:
		one.Time = time.Unix(1700000000+int64(n), 123456000).UTC()
	case *metav1.Duration:
		one.Duration = time.Duration(n)*time.Second + time.Millisecond
	case *resource.Quantity:
		*one = resource.MustParse(fmt.Sprintf("%d%s", n, []string{"", "m", "Gi", "k"}[n%4]))
	case *intstr.IntOrString:
		*one = []intstr.IntOrString{intstr.FromInt32(int32(n)), intstr.FromString("p")}[n%2]
	case *[]byte:
		*one = []byte{byte(n), 0xff, 0}
	case *runtime.RawExtension:
		one.Raw = []byte(fmt.Sprintf(`{"x":%d}`, n))
	case *metav1.FieldsV1:
		one.Raw = []byte(`{"f:a":{}}`)
	case *apiext.JSON:
		one.Raw = []byte(fmt.Sprintf(`[%d,"é"]`, n))
	case *apiext.JSONSchemaPropsOrArray:
		if n%2 == 0 {
			one.Schema = &apiext.JSONSchemaProps{ID: "i"}
		} else {
			one.JSONSchemas = []apiext.JSONSchemaProps{{ID: "i"}, {}}
		}
	case *apiext.JSONSchemaPropsOrBool:
		one.Allows = true
		if n%2 == 0 {
			one.Schema = &apiext.JSONSchemaProps{ID: "i"}
		}
	case *apiext.JSONSchemaPropsOrStringArray:
		if n%2 == 0 {
			one.Schema = &apiext.JSONSchemaProps{ID: "i"}
		} else {
			one.Property = []string{"p", "q"}
		}
	default:
		return false
	}
	return true
}

// full sets every field.
func (f *filler) full(v reflect.Value) {
	if v.Type() == reflect.TypeOf(metav1.TypeMeta{}) || f.leaf(v) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.full(v.Elem())
	case reflect.Struct:
		f.once(v, f.full)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.full(v.Index(0))
		f.full(v.Index(1))
	case reflect.Map:
		f.entry(v, f.full)
		f.entry(v, f.full)
	case reflect.String:
		v.SetString(fmt.Sprintf("%x", f.next()))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(float64(f.next()) + 0.5)
	case reflect.Int64:
		v.SetInt(int64(f.next()) << 33)
	case reflect.Int32, reflect.Int16, reflect.Int:
		v.SetInt(int64([]int{1, -1}[f.count%2] * f.next()))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(f.next() % 200))
	}
}

// zeros makes everything that can be absent present, and empty.
func (f *filler) zeros(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.zeros(v.Elem())
	case reflect.Struct:
		if leaves[v.Type()] == "" {
			f.once(v, f.zeros)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			f.zeros(v.Index(0))
		}
	case reflect.Map:
		f.entry(v, f.zeros)
	}
}

// once goes through the fields of a struct that has not been met.
func (f *filler) once(v reflect.Value, fill func(reflect.Value)) {
	if f.seen[v.Type()] {
		return
	}
	f.seen[v.Type()] = true
	for i := range v.NumField() {
		if v.Type().Field(i).IsExported() {
			fill(v.Field(i))
		}
	}
}

// entry adds one key to a map.
func (f *filler) entry(v reflect.Value, fill func(reflect.Value)) {
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	value := reflect.New(v.Type().Elem()).Elem()
	fill(value)
	key := reflect.New(v.Type().Key()).Elem()
	key.SetString(fmt.Sprintf("k%d", 9-v.Len()))
	v.SetMapIndex(key, value)
}
