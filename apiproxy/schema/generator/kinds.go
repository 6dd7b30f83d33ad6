package main

import (
	"reflect"
	"strings"

	admission "k8s.io/api/admission/v1"
	discovery "k8s.io/api/apidiscovery/v2"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/install"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
)

// scheme knows every kind of a kube-apiserver: its own, those of its extensions server and of its aggregator.
var scheme = func() *runtime.Scheme {
	all := legacyscheme.Scheme
	apiextensions.Install(all)
	apiregistration.Install(all)
	utilruntime.Must(admission.AddToScheme(all))
	utilruntime.Must(discovery.AddToScheme(all))
	utilruntime.Must(metav1.AddMetaToScheme(all))
	return all
}()

// machinery is the group version under which kinds of the API machinery itself are listed. Upstream registers most of
// them in every group version.
var machinery = schema.GroupVersion{Group: "meta.k8s.io", Version: "v1"}

// collectKinds finds the Go types of all kinds a client of the served versions may send or receive.
func collectKinds(s *server) map[schema.GroupVersionKind]reflect.Type {
	kinds := map[schema.GroupVersionKind]reflect.Type{}
	versions := append(s.groupVersions(),
		schema.GroupVersion{Group: "admission.k8s.io", Version: "v1"},
		schema.GroupVersion{Group: "apidiscovery.k8s.io", Version: "v2"})
	for _, gv := range versions {
		for kind, goType := range scheme.KnownTypes(gv) {
			if strings.HasPrefix(kind, "__") || strings.HasSuffix(goType.PkgPath(), "/meta/v1") && kind != "List" {
				continue
			}
			kinds[gv.WithKind(kind)] = goType
		}
	}
	for _, object := range []any{
		metav1.Status{}, metav1.WatchEvent{}, metav1.ListOptions{}, metav1.GetOptions{}, metav1.CreateOptions{},
		metav1.UpdateOptions{}, metav1.PatchOptions{}, metav1.DeleteOptions{}, metav1.APIVersions{},
		metav1.APIGroup{}, metav1.APIGroupList{}, metav1.APIResourceList{}, metav1.Table{}, metav1.TableOptions{},
		metav1.PartialObjectMetadata{}, metav1.PartialObjectMetadataList{},
	} {
		goType := reflect.TypeOf(object)
		kinds[machinery.WithKind(goType.Name())] = goType
	}
	return kinds
}

func writeKinds(path string, kinds map[schema.GroupVersionKind]reflect.Type) {
	names := map[string]string{}
	for kind, goType := range kinds {
		names[kind.GroupVersion().String()+"/"+kind.Kind] = definitionName(goType)
	}
	write(path, objectLines(names))
}
