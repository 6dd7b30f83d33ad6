package main

import (
	"encoding/json"
	"slices"
	"sort"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	scheduling "k8s.io/kubernetes/pkg/apis/scheduling/v1"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

// writeRBAC writes the roles and bindings every cluster starts with, in the order upstream's reconciliation makes
// them. Aggregated roles also carry the rules that the aggregation controller would fill in.
func writeRBAC(path string) {
	var all []runtime.Object
	roles := append(bootstrappolicy.ClusterRoles(), bootstrappolicy.ControllerRoles()...)
	aggregate(roles)
	for i := range roles {
		all = append(all, &roles[i])
	}
	for _, binding := range append(bootstrappolicy.ClusterRoleBindings(), bootstrappolicy.ControllerRoleBindings()...) {
		all = append(all, &binding)
	}
	namespaced := bootstrappolicy.NamespaceRoles()
	for _, namespace := range sortedKeys(namespaced) {
		for _, role := range namespaced[namespace] {
			role.Namespace = namespace
			all = append(all, &role)
		}
	}
	bindings := bootstrappolicy.NamespaceRoleBindings()
	for _, namespace := range sortedKeys(bindings) {
		for _, binding := range bindings[namespace] {
			binding.Namespace = namespace
			all = append(all, &binding)
		}
	}
	writeObjects(path, all)
}

// aggregate fills the rules of aggregated roles as upstream's clusterroleaggregation controller does; roles may
// aggregate aggregated ones, hence until nothing changes.
func aggregate(roles []rbacv1.ClusterRole) {
	byName := make([]*rbacv1.ClusterRole, len(roles))
	for i := range roles {
		byName[i] = &roles[i]
	}
	sort.Slice(byName, func(i, j int) bool { return byName[i].Name < byName[j].Name })
	for changed := true; changed; {
		changed = false
		for i := range roles {
			if roles[i].AggregationRule == nil {
				continue
			}
			var rules []rbacv1.PolicyRule
			for _, selector := range roles[i].AggregationRule.ClusterRoleSelectors {
				matches, err := metav1.LabelSelectorAsSelector(&selector)
				check(err)
				for _, other := range byName {
					if other.Name == roles[i].Name || !matches.Matches(labels.Set(other.Labels)) {
						continue
					}
					for _, rule := range other.Rules {
						known := func(one rbacv1.PolicyRule) bool { return equality.Semantic.DeepEqual(one, rule) }
						if !slices.ContainsFunc(rules, known) {
							rules = append(rules, rule)
						}
					}
				}
			}
			if !equality.Semantic.DeepEqual(rules, roles[i].Rules) {
				roles[i].Rules, changed = rules, true
			}
		}
	}
}

// writePriorityClasses writes the PriorityClasses every cluster starts with.
func writePriorityClasses(path string) {
	var all []runtime.Object
	for _, class := range scheduling.SystemPriorityClasses() {
		all = append(all, class)
	}
	writeObjects(path, all)
}

// writeObjects defaults objects and writes them, one per line.
func writeObjects(path string, objects []runtime.Object) {
	var all []map[string]any
	for _, object := range objects {
		kinds, _, err := scheme.ObjectKinds(object)
		check(err)
		object.GetObjectKind().SetGroupVersionKind(kinds[0])
		scheme.Default(object)
		all = append(all, asMap(object))
	}
	write(path, arrayLines(all))
}

// asMap is an object as a server would write it.
func asMap(object runtime.Object) map[string]any {
	content, err := json.Marshal(object)
	check(err)
	var out map[string]any
	check(json.Unmarshal(content, &out))
	return out
}

func sortedKeys[V any](entries map[string]V) []string {
	keys := make([]string, 0, len(entries))
	for key := range entries {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
