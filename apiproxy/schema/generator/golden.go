package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apiextensions-apiserver/pkg/registry/customresourcedefinition"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/printers"
	internalprinters "k8s.io/kubernetes/pkg/printers/internalversion"
	"k8s.io/kubernetes/pkg/registry/apps/daemonset"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/apps/replicaset"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/batch/cronjob"
	"k8s.io/kubernetes/pkg/registry/batch/job"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/namespace"
	"k8s.io/kubernetes/pkg/registry/core/pod"
	"k8s.io/kubernetes/pkg/registry/core/secret"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/core/serviceaccount"
	"k8s.io/kubernetes/pkg/registry/rbac/clusterrole"
	"k8s.io/kubernetes/pkg/registry/rbac/clusterrolebinding"
	"k8s.io/kubernetes/pkg/registry/rbac/role"
	"k8s.io/kubernetes/pkg/registry/rbac/rolebinding"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// strategies are upstream's rules of creation, by kind.
var strategies = map[string]rest.RESTCreateStrategy{
	"Namespace": namespace.Strategy, "Pod": pod.Strategy, "ConfigMap": configmap.Strategy, "Secret": secret.Strategy,
	"Service": service.Strategy, "ServiceAccount": serviceaccount.Strategy,
	"Deployment": deployment.Strategy, "ReplicaSet": replicaset.Strategy, "StatefulSet": statefulset.Strategy,
	"DaemonSet": daemonset.Strategy, "Job": job.Strategy, "CronJob": cronjob.Strategy,
	"Role": role.Strategy, "ClusterRole": clusterrole.Strategy,
	"RoleBinding": rolebinding.Strategy, "ClusterRoleBinding": clusterrolebinding.Strategy,
	"CustomResourceDefinition": customresourcedefinition.NewStrategy(scheme),
}

// readCases reads a file of objects by case name.
func readCases(path string) map[string]map[string]any {
	content, err := os.ReadFile(path)
	check(err)
	var cases map[string]map[string]any
	check(yaml.UnmarshalStrict(content, &cases))
	return cases
}

// versioned decodes an object of a case into its Go type, strictly, so that a misspelt case is found.
func versioned(name string, input map[string]any) runtime.Object {
	kind := (&unstructured.Unstructured{Object: input}).GroupVersionKind()
	object, err := scheme.New(kind)
	if err == nil {
		var wrong []error
		wrong, err = kjson.UnmarshalStrict(compact(input), object)
		err = errors.Join(append(wrong, err)...)
	}
	if err != nil {
		check(fmt.Errorf("case %q: %w", name, err))
	}
	object.GetObjectKind().SetGroupVersionKind(kind)
	return object
}

func internal(object runtime.Object) runtime.Object {
	kind := object.GetObjectKind().GroupVersionKind()
	converted, err := scheme.ConvertToVersion(object, schema.GroupVersion{Group: kind.Group, Version: runtime.APIVersionInternal})
	check(err)
	return converted
}

func writeGolden(cases, golden string) {
	writeDefaults(filepath.Join(cases, "defaults.yaml"), filepath.Join(golden, "defaults.json"))
	writeValidation(filepath.Join(cases, "validation.yaml"), filepath.Join(golden, "validation.json"))
	writeTables(filepath.Join(cases, "tables.yaml"), filepath.Join(golden, "tables.json"))
	writeDurations(filepath.Join(golden, "durations.json"))
}

type defaulted struct {
	Name   string         `json:"name"`
	Input  map[string]any `json:"input"`
	Output map[string]any `json:"output"`
}

// writeDefaults runs objects through the defaults of upstream's scheme.
func writeDefaults(from, to string) {
	cases := readCases(from)
	var all []defaulted
	for _, name := range sortedKeys(cases) {
		object := versioned(name, cases[name])
		scheme.Default(object)
		all = append(all, defaulted{name, cases[name], asMap(object)})
	}
	write(to, arrayLines(all))
}

type validated struct {
	Name  string         `json:"name"`
	Input map[string]any `json:"input"`
	// Message is the whole message of the Status; left out when upstream's order of errors is a matter of chance.
	Message   string  `json:"message,omitempty"`
	Unordered bool    `json:"unordered,omitempty"`
	Errors    []cause `json:"errors"`
}

type cause struct {
	Field   string `json:"field"`
	Type    string `json:"type"`
	Message string `json:"message"`
}

// writeValidation takes objects through what upstream does with them between decoding and storing on creation.
func writeValidation(from, to string) {
	cases := readCases(from)
	var all []validated
	for _, name := range sortedKeys(cases) {
		out := validated{Name: name, Input: cases[name]}
		out.Message, out.Errors = validate(name, cases[name])
		// Upstream walks Go maps here and there: where the order differs between runs, it is none.
		for range 20 {
			if message, _ := validate(name, cases[name]); message != out.Message {
				out.Unordered = true
			}
		}
		if out.Unordered {
			out.Message = ""
			slices.SortFunc(out.Errors, func(a, b cause) int {
				return strings.Compare(a.Field+a.Message, b.Field+b.Message)
			})
		}
		if wantErrors := !strings.HasPrefix(name, "good"); wantErrors != (len(out.Errors) > 0) {
			log.Printf("case %q: %d errors: %s", name, len(out.Errors), out.Message)
		}
		all = append(all, out)
	}
	write(to, arrayLines(all))
}

// validate is the message and the causes of the Status that a creation is refused with.
func validate(name string, input map[string]any) (string, []cause) {
	object := versioned(name, input)
	scheme.Default(object)
	kind := object.GetObjectKind().GroupVersionKind()
	strategy, known := strategies[kind.Kind]
	if !known {
		check(fmt.Errorf("case %q: no strategy for %s", name, kind.Kind))
	}
	object = internal(object)
	accessor, err := meta.Accessor(object)
	check(err)
	rest.FillObjectMetaSystemFields(accessor)
	ctx := request.WithNamespace(context.Background(), accessor.GetNamespace())
	ctx = request.WithRequestInfo(ctx, &request.RequestInfo{
		IsResourceRequest: true, Verb: "create", APIGroup: kind.Group, APIVersion: kind.Version,
	})
	err = rest.BeforeCreate(strategy, ctx, object)
	if err == nil {
		return "", []cause{}
	}
	var status *apierrors.StatusError
	if !errors.As(err, &status) || status.ErrStatus.Details == nil {
		check(fmt.Errorf("case %q: %w", name, err))
	}
	var causes []cause
	for _, one := range status.ErrStatus.Details.Causes {
		causes = append(causes, cause{one.Field, string(one.Type), one.Message})
	}
	return status.ErrStatus.Message, causes
}

type printed struct {
	Name  string         `json:"name"`
	Input map[string]any `json:"input"`
	Rows  [][]any        `json:"rows"`
}

// writeTables prints objects with upstream's printers, wide columns included. Ages depend on the time of day: cases
// have no timestamps, but for some that are over.
func writeTables(from, to string) {
	cases := readCases(from)
	generator := printers.NewTableGenerator().With(internalprinters.AddHandlers)
	var all []printed
	for _, name := range sortedKeys(cases) {
		object := internal(versioned(name, cases[name]))
		table, err := generator.GenerateTable(object, printers.GenerateOptions{Wide: true})
		check(err)
		out := printed{Name: name, Input: cases[name]}
		for _, row := range table.Rows {
			out.Rows = append(out.Rows, row.Cells)
		}
		all = append(all, out)
	}
	write(to, arrayLines(all))
}

type spoken struct {
	Seconds int    `json:"seconds"`
	Text    string `json:"text"`
}

// writeDurations says a choice of durations as upstream's printers do.
func writeDurations(to string) {
	var all []spoken
	for _, seconds := range []int{
		-3, -1, 0, 1, 59, 60, 119, 120, 121, 180, 181, 599, 600, 601, 659, 3599, 3600, 7199, 10799, 10800, 10801, 10860,
		28799, 28800, 28859, 36000, 86399, 86400, 172799, 172800, 176400, 604800, 691199, 691200, 694800, 31535999,
		31536000, 63071999, 63072000, 63158400, 252287999, 252288000, 315360000, 378432000,
	} {
		all = append(all, spoken{seconds, duration.HumanDuration(time.Duration(seconds) * time.Second)})
	}
	write(to, arrayLines(all))
}
